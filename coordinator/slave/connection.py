"""The WebSocket to the coordinator: kept up for as long as the slave lives."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import aiohttp

from .. import __version__, errors, versions
from ..constants import MAX_JSON_BODY, PING_INTERVAL, PROTOCOL_VERSION, SLAVE_SILENCE
from ..protocol import codec, messages
from .api import Api
from .backoff import Backoff

logger = logging.getLogger(__name__)


class _Refusal(Exception):
    """The coordinator does not want this slave: no use in trying again."""

    def __init__(self, error: errors.NetrenderError) -> None:
        super().__init__(error.message)
        self.error = error


class Connection:
    """Says hello, hands over what the coordinator sends, and comes back whenever the connection is lost.

    ``on_welcome`` runs after each welcome, before any other message of that connection is handed over.
    """

    def __init__(
        self,
        api: Api,
        *,
        hello: Callable[[], messages.Hello],
        on_welcome: Callable[[], None],
        on_message: Callable[[messages.Work | messages.Cancel], None],
    ) -> None:
        self._api = api
        self._hello = hello
        self._on_welcome = on_welcome
        self._on_message = on_message
        self._outgoing: deque[messages.FromSlave] = deque()
        self._news = asyncio.Event()  # something is in _outgoing, or it is to end
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._closing = self._renewing = False
        self._welcomed = False  # the last connection came that far

    async def run(self) -> None:
        """Connect, and connect again; returns after ``close``.

        Raises what the coordinator refuses the slave with: VersionMismatchError, UnauthorizedError ...
        """
        backoff = Backoff()
        told = False
        while not self._closing:
            self._welcomed = False
            try:
                await self._session(backoff)
                why = "it was closed"
            except (errors.UnreachableError, errors.BadRequestError) as error:
                why = error.message
            except (aiohttp.ClientError, ConnectionError) as error:  # it broke while we said hello
                why = str(error)
            except _Refusal as refusal:
                raise refusal.error from None
            if self._closing:
                return
            if self._welcomed:
                logger.warning("the connection to the coordinator at %s is lost: %s", self._api.url, why)
                told = True
            elif not told:  # once: a wrong address must be told, but one line is enough while a machine restarts
                logger.warning("no coordinator at %s (%s); trying until there is one", self._api.url, why)
                told = True
            await asyncio.sleep(backoff.next())

    def send(self, message: messages.FromSlave) -> None:
        """Send it soon, never blocking; dropped while there is no connection (hello and on_welcome make up for it)."""
        if not self._api.online.is_set():
            return
        # Progress is worth only its latest: a slow network must not pile it up.
        last = self._outgoing[-1] if self._outgoing else None
        if isinstance(message, messages.Progress) and isinstance(last, messages.Progress):
            self._outgoing.pop()
        self._outgoing.append(message)
        self._news.set()

    def renew(self) -> None:
        """Send what is to be sent, then connect anew: what hello says has changed."""
        self._renewing = True
        self._news.set()

    def close(self) -> None:
        """Send what is to be sent, then end ``run``."""
        self._closing = True
        self._news.set()

    async def _session(self, backoff: Backoff) -> None:
        """One connection, from hello to its end."""
        async with await self._connect() as socket:
            await self._say(socket, self._hello())
            first = await self._receive(socket)
            if first is None:
                raise errors.UnreachableError("it closed the connection instead of a welcome")
            welcome, *rest = first
            if not isinstance(welcome, messages.Welcome):
                raise errors.BadRequestError(f"it sent {codec.tag(type(welcome))} instead of a welcome")
            if welcome.protocol != PROTOCOL_VERSION:
                raise _Refusal(errors.VersionMismatchError(self._mismatch(welcome)))
            self._welcomed = True
            backoff.reset()
            self._outgoing.clear()
            self._renewing = False
            self._api.online.set()
            logger.info("connected to the coordinator at %s (netrender %s)", self._api.url, welcome.netrender)
            writer = asyncio.create_task(self._write(socket), name="connection writer")
            try:
                self._on_welcome()
                more: list[messages.ToSlave] | None = rest
                while more is not None:
                    for message in more:
                        if isinstance(message, messages.Resync):
                            self._outgoing.clear()
                            self.send(self._hello())
                            self._on_welcome()
                            continue
                        if not isinstance(message, messages.Work | messages.Cancel):
                            raise errors.BadRequestError(f"it sent {codec.tag(type(message))} out of turn")
                        self._on_message(message)
                    more = await self._receive(socket)
            finally:
                self._api.online.clear()
                writer.cancel()
                await asyncio.wait({writer})

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(SLAVE_SILENCE):
                return await self._api.session.ws_connect(
                    self._api.url + "/api/slave", heartbeat=PING_INTERVAL, max_msg_size=MAX_JSON_BODY
                )
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 401:
                raise errors.UnauthorizedError(
                    f"the coordinator at {self._api.url} does not accept this slave's key; "
                    "give it the whole pairing line that the coordinator prints"
                ) from error
            if error.status in (400, 404, 405, 200):
                raise errors.NotFoundError(
                    f"{self._api.url} is no Netrender coordinator (HTTP {error.status}); check the address"
                ) from error
            raise errors.UnreachableError(f"HTTP {error.status}") from error
        except aiohttp.InvalidURL as error:
            raise errors.UsageError(f"{self._api.url!r} is no address; write for example http://HOST:8470") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise errors.UnreachableError(str(error) or type(error).__name__) from error

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> list[messages.ToSlave] | None:
        """The next messages; None at the end of the connection. Raises what the coordinator refuses us with."""
        frame = await socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            if frame.type is aiohttp.WSMsgType.BINARY:
                raise errors.BadRequestError("it sent a binary message")
            return None
        some: list[messages.ToSlave] = codec.loads_each(frame.data, messages.ToSlave)
        if not some:
            raise errors.BadRequestError("it sent an empty array")
        for message in some:
            if isinstance(message, messages.Refused):
                error = errors.from_code(message.code, message.message)
                if error.http_status >= 500:  # its own trouble, a full disk say: it takes us later
                    raise errors.UnreachableError(error.message)
                if isinstance(error, errors.VersionMismatchError):  # an older coordinator names only itself
                    ours = f"this slave (Netrender {__version__}, protocol {PROTOCOL_VERSION})"
                    error = type(error)(f"the coordinator at {self._api.url} refuses {ours}: {error.message}")
                if self._welcomed and isinstance(error, errors.BadRequestError):
                    raise error  # one message was wrong: a defect, for which no slave should end
                raise _Refusal(error)
        return some

    def _mismatch(self, welcome: messages.Welcome) -> str:
        there = versions.Side(
            who=f"the coordinator at {self._api.url}",
            place="on the coordinator's machine",
            netrender=welcome.netrender,
            protocol=welcome.protocol,
        )
        return versions.mismatch(there, versions.Side(who="this slave", place="here"))

    async def _say(self, socket: aiohttp.ClientWebSocketResponse, message: messages.FromSlave) -> None:
        await socket.send_str(codec.dumps(self._api.names.in_message(message), messages.FromSlave))

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Send what ``send`` was given; end the connection when that is asked for."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._outgoing:
                try:
                    await self._say(socket, self._outgoing.popleft())
                except (aiohttp.ClientError, ConnectionError):
                    return  # the reader notices too, and connects again
            if self._closing or self._renewing:
                await socket.close()
                return
