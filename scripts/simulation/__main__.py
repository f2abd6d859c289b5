"""``scripts/simulate [SCENARIO ...] [--output DIR]``."""

import argparse
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .drawing import draw, idle
from .scenarios import SCENARIOS, Outcome


def show(name: str, outcome: Outcome, output: Path) -> None:
    simulator = outcome.simulator
    console = Console(width=120)
    console.rule(f"{name}: {SCENARIOS[name].__doc__}")
    table = Table()
    for column in ("slave", "frames", "in vain", "seconds rendered"):
        table.add_column(column, justify="left" if column == "slave" else "right")
    kept, vain, seconds = Counter[str](), Counter[str](), Counter[str]()
    for span in simulator.spans:
        (kept if span.kept else vain)[span.slave] += 1
        seconds[span.slave] += int(span.end - span.begin)
    names = sorted(simulator.presence)
    for slave in names if len(names) <= 16 else [*names[:4], *names[-4:]]:
        table.add_row(slave, str(kept[slave]), str(vain[slave]), str(seconds[slave]))
    console.print(table)
    for what, value in outcome.facts.items():
        console.print(f"{what}: {value}", highlight=False)
    picture = output / f"{name}.png"
    draw(simulator, outcome.end, picture)
    console.print(f"idle: {idle(simulator, outcome.end):.1%} of the slaves' time; drawn: {picture}", highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description="The real scheduler in virtual time.")
    parser.add_argument("scenario", nargs="*", help=f"{', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--output", type=Path, default=Path("build/simulations"), help="where pictures go")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for name in args.scenario or SCENARIOS:
        show(name, SCENARIOS[name](), args.output)


if __name__ == "__main__":
    main()
