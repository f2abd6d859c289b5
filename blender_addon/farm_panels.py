"""The parts of the Jobs and the Slaves panel: a list, and the details and buttons of what is chosen in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from . import farm, session


def draw_connection(layout: Any) -> None:
    """In a panel's header: whether the farm is shown."""
    if session.is_watching():
        layout.operator("netrender.disconnect", text="", icon="LINKED", emboss=False, depress=True)
    else:
        layout.operator("netrender.connect", icon="UNLINKED")
    layout.separator()


def draw_list(layout: Any, widget: str, rows: Any, what: str) -> None:
    layout.template_list(widget, "", rows, f"{what}s", rows, what, rows=3)


def draw_job(layout: Any, job: Any) -> None:
    column = layout.column()
    column.label(text=f"{job.state.capitalize()}: {job.reason}")
    for text in job_facts(job):
        column.label(text=text)
    for buttons in (("gather", "play", "log"), job_commands(job)):
        row = layout.row(align=True)
        for name in buttons:
            text, icon = BUTTONS[name]
            row.operator(f"netrender.{name}", text=text, icon=icon).job = job.id


BUTTONS = {  # what the button says, and its icon; there is little room
    "gather": ("Get", "IMPORT"),
    "play": ("Play", "PLAY"),
    "log": ("Log", "TEXT"),
    "pause": ("Pause", "PAUSE"),
    "resume": ("Resume", "FILE_REFRESH"),
    "cancel": ("Cancel", "CANCEL"),
    "reset": ("Reset Errors", "RECOVER_LAST"),
}


def job_commands(job: Any) -> list[str]:
    """The operators that the job's state allows."""
    states = farm.states.JobState
    found = []
    if job.state in (states.QUEUED, states.WAITING):
        found.append("pause")
    if job.state is states.PAUSED:
        found.append("resume")
    if job.counts.error or job.state is states.CANCELLED:
        found.append("reset")
    if job.state not in farm.states.ENDED:
        found.append("cancel")
    return found


def job_facts(job: Any) -> Iterator[str]:
    """Lines about a job."""
    yield f"Frames {job.frames}, priority {job.priority}" + (f", Blender {job.blender}" if job.blender else "")
    if job.started is not None and job.counts.done:
        seconds = (job.finished or time.time()) - job.started
        yield f"{duration(seconds)} so far" if job.finished is None else f"Took {duration(seconds)}"
    for slave, done in sorted(job.slaves.items()):
        yield f"{slave}: {done} frame{'s' * (done != 1)}"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def draw_slave(layout: Any, slave: Any) -> None:
    column = layout.column()
    for text in slave_facts(slave):
        column.label(text=text)


def slave_facts(slave: Any) -> Iterator[str]:
    """Lines about a slave."""
    threads = f"{slave.threads} thread{'s' * (slave.threads != 1)}"
    yield f"{slave.host}, Blender {slave.blender}, {threads}"
    if samples := session.state.samples(slave):
        yield samples
    if slave.features:
        yield f"Has {', '.join(slave.features)}"
    if slave.aside:
        yield f"Set aside: {slave.aside}"
    if slave.sick:
        yield f"Sick: {slave.sick}"
    if not slave.connected:
        yield f"Last seen {time.strftime('%Y-%m-%d %H:%M', time.localtime(slave.last_seen))}"
