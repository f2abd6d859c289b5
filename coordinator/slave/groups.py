"""Errors that come out of a group of tasks."""

from typing import NoReturn

from ..errors import NetrenderError


def raise_first(group: BaseExceptionGroup[NetrenderError]) -> NoReturn:
    """One error is enough for whoever reads it: the others of the group came of the same thing."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    raise error from None
