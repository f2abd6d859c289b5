"""One coordinator over HTTP: requests that end in an answer, or in an error of our own tree."""

import contextlib
import json
import logging
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from .. import errors, versions
from ..config import Address
from ..constants import ANSWER_TIMEOUT, CONNECT_TIMEOUT, PROBLEM_HEADER, PROTOCOL_VERSION, TRANSFERS
from ..interfaces import is_loopback
from ..protocol import codec
from ..protocol.jobs import Version

logger = logging.getLogger(__name__)

# What a connection that fails raises, while it sends and while a body is streamed; requests' own are all OSErrors.
LOST = (OSError, HTTPError)


class Connection:
    """Sends requests to one coordinator, from any thread. The first one makes sure that it speaks our protocol."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.closed = threading.Event()
        self.problem = ""  # of the coordinator's disk, as the last answer said; empty while it is well
        self._lock = threading.Lock()
        self._streams: set[socket.socket] = set()
        self._streams_lock = threading.Lock()
        self._version: Version | None = None
        self._session = requests.Session()
        # A farm is not behind the proxy that the environment names, and .netrc must not replace our token.
        self._session.trust_env = False
        if address.token:
            self._session.headers["Authorization"] = f"Bearer {address.token}"
        # An idle connection may have been closed by the other side: GET and HEAD are simply sent again.
        retry = Retry(total=None, connect=0, read=1, redirect=0, status=0, other=0, allowed_methods={"GET", "HEAD"})
        self._session.mount("http://", HTTPAdapter(pool_maxsize=2 * TRANSFERS, max_retries=retry))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End transfers at their next block, streams at once, and all connections."""
        self.closed.set()
        with self._streams_lock:
            for stream in self._streams:
                with contextlib.suppress(OSError):  # the other side was faster
                    stream.shutdown(socket.SHUT_RDWR)
        self._session.close()

    @contextlib.contextmanager
    def streaming(self, response: requests.Response) -> Iterator[None]:
        """A read of this response that waits, for ever perhaps, ends when another thread closes the connection."""
        stream = socket.fromfd(response.raw.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with self._streams_lock:
            self._streams.add(stream)
        try:
            if self.closed.is_set():
                raise self.was_closed()
            yield
        finally:
            with self._streams_lock:
                self._streams.discard(stream)
            stream.close()

    def was_closed(self) -> errors.UnreachableError:
        return errors.UnreachableError(f"the connection to {self.address.url} was closed here")

    @property
    def far(self) -> bool:
        """Whether bytes go over a network, which one core can compress for."""
        return not is_loopback(urlsplit(self.address.url).hostname or "")

    def version(self) -> Version:
        """What the coordinator is. Asked once; raises VersionMismatchError if it speaks another protocol."""
        with self._lock:
            if self._version is None:
                self._version = self._ask_version()
        return self._version

    def _ask_version(self) -> Version:
        response = self.send("GET", "/api/version")
        try:
            answer = json.loads(response.content)
            found = Version(netrender=str(answer["netrender"]), protocol=int(answer["protocol"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise errors.UnreachableError(
                f"what answers at {self.address.url} is no Netrender coordinator; check the address and the port"
            ) from error
        if found.protocol != PROTOCOL_VERSION:
            there = versions.Side(
                who=f"the coordinator at {self.address.url}",
                place="on the coordinator's machine",
                netrender=found.netrender,
                protocol=found.protocol,
            )
            raise errors.VersionMismatchError(versions.mismatch(there, versions.Side(who="this client", place="here")))
        return found

    def request(self, method: str, path: str, *, expect: Iterable[int] = (), **options: Any) -> requests.Response:
        """The answer, if its status is a success or among ``expect``; else the error that the coordinator raised."""
        self.version()
        return self.send(method, path, expect=expect, **options)

    def send(self, method: str, path: str, *, expect: Iterable[int] = (), **options: Any) -> requests.Response:
        if self.closed.is_set():
            raise self.was_closed()
        options.setdefault("timeout", (CONNECT_TIMEOUT, ANSWER_TIMEOUT))
        try:
            response = self._session.request(method, self.address.url + path, allow_redirects=False, **options)
        except LOST as error:
            raise self.unreachable(error) from error
        logger.debug("%s %s: %d", method, path, response.status_code)
        self._note_problem(unquote(response.headers.get(PROBLEM_HEADER, "")), said=not response.ok)
        if response.ok or response.status_code in expect:
            return response
        with response:
            raise self._error(response)

    def _note_problem(self, problem: str, *, said: bool) -> None:
        """Warn once of what every answer says while the coordinator can keep nothing; not if an error ``said`` it."""
        if problem and problem != self.problem and not said:
            logger.warning("%s", problem)
        self.problem = problem

    def unreachable(self, error: Exception) -> errors.UnreachableError:
        """What a connection that failed means to the user."""
        url = self.address.url
        if isinstance(error, requests.exceptions.ConnectTimeout) or "NewConnectionError" in repr(error):
            return errors.UnreachableError(
                f"no coordinator at {url}: start one with 'netrender coordinator', "
                "or name another with --coordinator URL"
            )
        if isinstance(error, requests.Timeout):
            return errors.UnreachableError(f"the coordinator at {url} does not answer any more; is it overloaded?")
        return errors.UnreachableError(f"the connection to the coordinator at {url} was cut; does it still run?")

    def _error(self, response: requests.Response) -> errors.NetrenderError:
        try:
            body = json.loads(response.content)
            return errors.from_code(str(body["code"]), str(body["message"]))
        except LOST as error:
            return self.unreachable(error)
        except (ValueError, KeyError, TypeError, RecursionError):
            return errors.NetrenderError(
                f"{self.address.url} answered {response.status_code} {response.reason} to {response.request.method} "
                f"{response.request.path_url}; what is there may be no Netrender coordinator"
            )

    def decode(self, response: requests.Response, cls: Any) -> Any:
        """The answer's JSON as ``cls``."""
        try:
            return codec.loads(response.content, cls)
        except errors.NetrenderError as error:  # BadPathError, say, which would blame the user
            raise self.wrong(error.message) from error

    def size(self, response: requests.Response, header: str, default: str = "") -> int:
        """A number of bytes in a header of the answer."""
        text = response.headers.get(header, default)
        if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
            raise self.wrong(f"header {header}: {text[:40]!r} is not a number of bytes")
        return int(text)

    def wrong(self, why: str) -> errors.NetrenderError:
        return errors.NetrenderError(f"the coordinator at {self.address.url} sent an answer that is wrong: {why}")
