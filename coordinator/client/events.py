"""The event stream: server-sent events, each handed on when it arrives.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import Generator, Iterator

import requests

from .. import errors
from ..constants import CONNECT_TIMEOUT, EVENT_KEEPALIVE
from ..protocol import codec
from ..protocol.messages import Event
from .connection import LOST, Connection

SILENCE = 3 * EVENT_KEEPALIVE  # seconds without even a comment until the coordinator counts as gone


def watch(connection: Connection, job: str | None) -> Generator[Event | None, None, None]:
    """Connects before it returns, so that what is asked afterwards is not older than the first event."""
    response = connection.request(
        "GET",
        "/api/events",
        params={} if job is None else {"job": job},
        headers={"Accept": "text/event-stream", "Accept-Encoding": "identity"},
        stream=True,
        timeout=(CONNECT_TIMEOUT, SILENCE),
    )
    return _events(connection, response)


def _events(connection: Connection, response: requests.Response) -> Generator[Event | None, None, None]:
    with response:
        try:
            with connection.streaming(response):
                for data in messages(_lines(response)):
                    yield None if data is None else _decode(connection, data)
        except LOST as error:
            raise connection.was_closed() if connection.closed.is_set() else connection.unreachable(error) from error
        if connection.closed.is_set():
            raise connection.was_closed()
        raise connection.unreachable(ConnectionError("the stream ended"))


def _decode(connection: Connection, data: str) -> Event:
    try:
        event: Event = codec.loads(data, Event, union=True)
    except errors.NetrenderError as error:
        raise errors.NetrenderError(
            f"the coordinator at {connection.address.url} sent an event that is wrong: {error.message}"
        ) from error
    return event


def _lines(response: requests.Response) -> Iterator[str]:
    rest = b""
    # No chunk size: the stream is sent in chunks, and each is handed on whole as soon as it is there.
    for block in response.iter_content(chunk_size=None):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").removesuffix("\r")


def messages(lines: Iterator[str]) -> Iterator[str | None]:
    """The data of each message; None for a comment, which says no more than that the other side is alive."""
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif line.startswith(":"):
            yield None
        elif line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
