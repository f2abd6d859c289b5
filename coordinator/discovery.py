"""Coordinators on the local network: announced and found by mDNS, as services of the type ``_netrender._tcp``.

What is announced: addresses and port, the protocol's version, the farm's name, and whether a key is needed. Never the
key itself: whoever may render here has it from a person.
"""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from attrs import frozen
from zeroconf import Error, InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from . import __version__, versions
from .config import Address
from .constants import CONNECT_TIMEOUT, DISCOVERY_REQUEST, DISCOVERY_TIMEOUT, PROTOCOL_VERSION
from .errors import NetrenderError, UnreachableError, UsageError
from .interfaces import address_of, addresses, is_loopback

logger = logging.getLogger(__name__)

SERVICE = "_netrender._tcp.local."
EVERYWHERE = ("0.0.0.0", "::")


@frozen(kw_only=True)
class Found:
    """A coordinator, as it announces itself."""

    name: str
    urls: tuple[str, ...]  # its machine may have several addresses
    protocol: int
    netrender: str
    farm: str
    key: bool  # whether it asks for one

    def unusable(self, farm: str, key: str) -> str:
        """Why it cannot be used with this key; empty if it can."""
        if self.farm != farm:
            return f"it is of farm {self.farm!r}" if self.farm else "it is of no farm with a name"
        if self.protocol != PROTOCOL_VERSION:
            there = versions.Side(who="it", place="on its machine", netrender=self.netrender, protocol=self.protocol)
            return versions.mismatch(there, versions.Side(who="this machine", place="here"))
        if self.key and not key:
            return "it asks for the farm's key: give --key, or name it by the whole pairing line with --coordinator"
        return ""


# --- announcing ---


@asynccontextmanager
async def announced(
    host: str, port: int, *, key: bool, farm: str = "", interface: str | None = None
) -> AsyncIterator[None]:
    """Announce a coordinator that listens there, until the block ends.

    Without a network there is nobody to tell: that is a warning, and the coordinator runs all the same.
    """
    task = asyncio.create_task(_announce(host, port, key=key, farm=farm, interface=interface), name="announcing")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _announce(host: str, port: int, *, key: bool, farm: str, interface: str | None) -> None:
    try:
        where = address_of(interface) if interface else None
        known_by = await asyncio.to_thread(_known_by, host, where)
        if not known_by:
            logger.warning("not announced: this machine has no address in a network")
            return
        # On every interface that leads to the address; what only this machine can reach, only this machine hears of.
        heard = where or (None if host in EVERYWHERE else known_by[0])
        async with _zeroconf(heard) as zeroconf:
            info = AsyncServiceInfo(
                SERVICE,
                f"{_label(port)}.{SERVICE}",
                port=port,
                parsed_addresses=known_by,
                properties={
                    "netrender": __version__,
                    "protocol": str(PROTOCOL_VERSION),
                    "farm": farm,
                    "key": str(int(key)),
                },
            )
            await (await zeroconf.async_register_service(info, allow_name_change=True))
            logger.info("announced as %r on %s", info.name.removesuffix(f".{SERVICE}"), heard or "all interfaces")
            await asyncio.get_running_loop().create_future()
    except (OSError, Error, NetrenderError) as error:
        logger.warning("not announced on the network, slaves need the coordinator's address: %s", error)


def _known_by(host: str, interface: str | None) -> list[str]:
    """What other machines may call the one that listens on this host."""
    if host not in EVERYWHERE:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)][:1]
    if interface is not None:
        return [interface]
    return [address for address in addresses().values() if not is_loopback(address)]


def _label(port: int) -> str:
    """A name for people, unique on this network: of at most 63 bytes, and without dots, which separate such names."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname().partition(".")[0])
    return f"{name[:50]} {port}"


# --- finding ---


def find_now(
    *, farm: str = "", key: str = "", interface: str | None = None, seconds: float = DISCOVERY_TIMEOUT
) -> Address:
    """The first coordinator that can be used. For a thread that may wait; raises UnreachableError after the time."""
    skipped: list[str] = []

    async def wait() -> Address:
        async with asyncio.timeout(seconds):
            return await find(farm=farm, key=key, interface=interface, on_skipped=skipped.append)

    try:
        return asyncio.run(wait())
    except TimeoutError:
        lines = ["no coordinator was found on the local network; start one, or name it with --coordinator", *skipped]
        raise UnreachableError("\n".join(lines)) from None


async def find(
    *, farm: str = "", key: str = "", interface: str | None = None, on_skipped: Callable[[str], None]
) -> Address:
    """Wait until there is a coordinator that can be used. ``on_skipped`` is told of those that cannot, once each.

    Raises UsageError if there is no such interface.
    """
    told = set()
    async with aclosing(search(interface)) as coordinators:
        async for found in coordinators:
            why = found.unusable(farm, key)
            if not why:
                url = await _reachable(found.urls)
                if url is not None:
                    return Address(url=url, token=key if found.key else "")
                why = f"nothing answers at {' or '.join(found.urls)}"
            line = f"the coordinator {found.name!r} is not used: {why}"
            if line not in told:
                told.add(line)
                on_skipped(line)
    raise AssertionError("the search does not end by itself")


async def search(interface: str | None = None) -> AsyncGenerator[Found, None]:
    """Every coordinator that announces itself on this interface (default: on all), and again when it changes."""
    changes: asyncio.Queue[str] = asyncio.Queue()

    def on_change(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is not ServiceStateChange.Removed:
            changes.put_nowait(name)

    try:
        async with _zeroconf(address_of(interface) if interface else None) as zeroconf:
            browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[on_change])
            try:
                while True:
                    info = AsyncServiceInfo(SERVICE, await changes.get())
                    if await info.async_request(zeroconf.zeroconf, DISCOVERY_REQUEST * 1000):
                        found = _read(info)
                        if found is not None:
                            yield found
            finally:
                await browser.async_cancel()
    except OSError as error:
        raise UsageError(f"cannot look for a coordinator on the network: {error}; check --interface") from error


def _read(info: AsyncServiceInfo) -> Found | None:
    """What it announces; None for something that is no coordinator of ours."""
    texts = {key.decode(errors="replace"): (value or b"").decode(errors="replace") for key, value in _items(info)}
    known_by = info.parsed_addresses()
    if not texts.get("protocol", "").isdecimal() or not known_by or not info.port:
        return None
    return Found(
        name=info.name.removesuffix(f".{SERVICE}"),
        urls=tuple(f"http://{f'[{a}]' if ':' in a else a}:{info.port}" for a in known_by),
        protocol=int(texts["protocol"]),
        netrender=texts.get("netrender", ""),
        farm=texts.get("farm", ""),
        key=texts.get("key") != "0",
    )


def _items(info: AsyncServiceInfo) -> list[tuple[bytes, bytes | None]]:
    return [(key, value) for key, value in info.properties.items() if isinstance(key, bytes)]


async def _reachable(urls: tuple[str, ...]) -> str | None:
    """The first that answers: a machine announces all its addresses, and not all of them lead to us."""
    for url in urls:
        host, _, port = url.removeprefix("http://").rpartition(":")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError):
            continue
        writer.close()
        return url
    return None


@asynccontextmanager
async def _zeroconf(address: str | None) -> AsyncIterator[AsyncZeroconf]:
    zeroconf = AsyncZeroconf(
        interfaces=[address] if address else InterfaceChoice.All,
        ip_version=IPVersion.V4Only,
    )
    try:
        yield zeroconf
    finally:
        await zeroconf.async_close()
