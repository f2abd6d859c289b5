"""This machine's network interfaces."""

import ipaddress
import socket

import ifaddr

from .errors import UsageError


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_local(host: str) -> None:
    """Raises UsageError if the host is on the internet, for programs that their user keeps off it."""
    for address in _resolved(host):
        if ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise UsageError(
                f"{host} ({address}) is not on the local network, and Blender is not allowed to go online: allow that "
                "in Preferences > System > Network, or name a coordinator on the local network"
            )


def _resolved(host: str) -> list[str]:
    """Empty for a name that nobody knows: the connection fails, and says so better."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def addresses() -> dict[str, str]:
    """The first IPv4 address of each interface, by its name."""
    found: dict[str, str] = {}
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if ip.is_IPv4:
                found.setdefault(adapter.nice_name, str(ip.ip))
    return found


def address_of(interface: str) -> str:
    """The IPv4 address of an interface, which may be named by that address too. Raises UsageError."""
    found = addresses()
    if interface in found.values():
        return interface
    if interface in found:
        return found[interface]
    there = ", ".join(f"{name} ({address})" for name, address in found.items())
    raise UsageError(f"--interface {interface}: this machine has no such network interface; it has: {there}")
