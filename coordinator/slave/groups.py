"""Errors that come out of a group of tasks."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import NetrenderError


@contextmanager
def unwrapped() -> Iterator[None]:
    """Raise the first error of a group that has only ours: the others came of the same thing. A defect stays whole."""
    try:
        yield
    except BaseExceptionGroup as group:
        _, others = group.split(NetrenderError)
        if others is not None:
            raise
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
