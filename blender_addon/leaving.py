"""Another file is opened: what goes on for the one before ends, and says so.

*Get Animation* in the right file goes on: what was sent is known there, also if it was not saved since.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from . import animation, errands, open_file, results, session

logger = logging.getLogger(__name__)

report: Callable[[str], None] | None = None  # shows a text in the window


def before() -> None:
    """While everything of the file that is open is there still. Opening the other one may fail."""
    if session.animation is not None:
        session.animation.leave()


def after() -> None:
    """Nothing goes on for scenes that are not there any more."""
    results.forget()
    session.note = ""
    leave_behind()
    animation.recall_jobs(session.cache())
    session.watch_again()
    session.redraw()


def leave_behind() -> None:
    """End the animation of a file that was closed; what it sends is sent to the end."""
    left = session.animation
    if left is None or left.owner.is_here:
        return
    left.leave()
    session.note = left.left_text  # it has written until now
    if left.writing is not None:
        left.writing.restore()  # there is nothing to put back, but somebody to call off
        left.writing = None
    session.end()
    if left.is_sending and left.errand is not None:
        left.heir = heir(left)
        session.take_over(left.errand, left.upload)
    if session.note:
        logger.warning("%s", session.note)
        if report is not None:
            report(session.note)


def heir(left: animation.Animation) -> Callable[[Any], None]:
    """Takes what is told of one that is still being sent."""

    def take(message: Any) -> None:
        left.take(message)
        match message:
            case errands.Uploading(done=done, total=total):
                session.upload = (done, total)
            case errands.Sent(job=job, name=name):
                session.note = f"{name} of {left.owner.title} is sent: job {job}"
            case errands.Broke(error=error):
                session.note = f"{left.owner.title} was not sent: {error.message}"
        if isinstance(message, errands.Broke) or not left.is_sending:
            session.upload = None
            if left.errand is not None:
                left.errand.cancel()  # or it would wait for the frames

    return take


def register() -> None:
    open_file.before_another(before)
    open_file.after_another(after)
    session.on_gone(leave_behind)


def unregister() -> None:
    session.no_more_gone(leave_behind)
    open_file.forget(after)
    open_file.forget(before)
    results.forget()
