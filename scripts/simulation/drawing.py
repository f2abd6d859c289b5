"""Who rendered what when, as a picture: a line for each slave, a colour for each job, shares over time below."""

from pathlib import Path

from PIL import Image, ImageDraw

from .simulator import Simulator

COLOURS = ["#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#eeca3b", "#b279a2", "#ff9da6", "#9d755d", "#79706e"]
IDLE, VAIN = "#eeeeee", "#222222"
WIDTH, LEFT, SHARES = 1400, 110, 120  # pixels
COLUMNS = 350  # of the shares


def draw(simulator: Simulator, end: float, target: Path) -> None:
    """Write a PNG."""
    names = sorted(simulator.presence)
    jobs = list(dict.fromkeys(span.job for span in sorted(simulator.spans, key=lambda span: span.begin)))
    colour = {job: COLOURS[number % len(COLOURS)] for number, job in enumerate(jobs)}
    row = max(5, min(22, 900 // max(len(names), 1)))
    height = 30 + row * len(names) + 20 + SHARES + 30
    image = Image.new("RGB", (WIDTH, height), "white")
    pen = ImageDraw.Draw(image)

    def across(time: float) -> float:
        return LEFT + (WIDTH - LEFT - 10) * min(time, end) / end

    for number, job in enumerate(jobs[:10]):
        pen.rectangle((LEFT + 125 * number, 8, LEFT + 125 * number + 10, 18), fill=colour[job])
        pen.text((LEFT + 125 * number + 14, 7), job[:18], fill="black")
    top = {name: 30 + row * number for number, name in enumerate(names)}
    for name in names:
        if row >= 10:
            pen.text((8, top[name]), name, fill="black")
        times = [*simulator.presence[name], end]
        for begin, until in zip(times[::2], times[1::2], strict=False):
            pen.rectangle((across(begin), top[name], across(until), top[name] + row - 2), fill=IDLE)
    for span in simulator.spans:
        y = top[span.slave]
        fill = colour[span.job] if span.kept else VAIN
        pen.rectangle((across(span.begin), y, max(across(span.end) - 0.5, across(span.begin)), y + row - 2), fill=fill)
    _shares(pen, simulator, end, colour, 30 + row * len(names) + 20)
    pen.text((LEFT, height - 18), f"0 to {end:.0f} s; dark: rendered in vain; below: shares of the farm", fill="black")
    image.save(target)


def _shares(pen: ImageDraw.ImageDraw, simulator: Simulator, end: float, colour: dict[str, str], top: int) -> None:
    busy = [dict.fromkeys(colour, 0.0) for _ in range(COLUMNS)]
    width = end / COLUMNS
    for span in simulator.spans:
        for column in range(int(span.begin / width), min(int(span.end / width), COLUMNS - 1) + 1):
            seconds = min(span.end, (column + 1) * width) - max(span.begin, column * width)
            busy[column][span.job] += max(seconds, 0.0)
    pixels = (WIDTH - LEFT - 10) / COLUMNS
    for column, each in enumerate(busy):
        y = float(top + SHARES)
        for job, spent in each.items():
            part = SHARES * spent / (width * max(len(simulator.presence), 1))
            x = LEFT + column * pixels
            pen.rectangle((x, y - part, x + pixels, y), fill=colour[job])
            y -= part


def idle(simulator: Simulator, end: float) -> float:
    """Which part of the slaves' time, while they were there, nobody rendered in."""
    there = 0.0
    for times in simulator.presence.values():
        each = [*times, end]
        there += sum(until - begin for begin, until in zip(each[::2], each[1::2], strict=False) if until > begin)
    rendered = sum(min(span.end, end) - span.begin for span in simulator.spans if span.begin < end)
    return 1 - rendered / there if there else 0.0
