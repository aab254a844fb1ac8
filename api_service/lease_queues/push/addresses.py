"""Where pushes may go: which URLs there are, and which addresses behind their names.

Invariant: a push connects to no address but those that were looked at here. A name is resolved once a push, all of its
addresses are looked at, and the connection is made to one of them, not to the name: a name that says something else a
moment later (DNS rebinding) achieves nothing, and neither does another way to write an address, for what is looked at
is what the resolver made of it.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from shared.errors import RollcallError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_CHARACTERS: Final = 2000
# Look-ups that hang hold threads: of ours, not of those that others wait for.
_LOOKUPS_AT_ONCE: Final = 8
_PRINTABLE: Final = re.compile(r"[!-~]+")
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?\.?")
_PORTS: Final = {"http": 80, "https": 443}

# All unicast addresses of the internet; what else there is has a purpose of its own.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# IPv4 in the clothes of IPv6: what counts is the address that is reached in the end.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_TUNNELS: Final = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))


class PushRefused(RollcallError):
    """Nothing was sent, by our own rule. The text says which, and holds no address."""


class PushUrl(NamedTuple):
    """`target` is what the request line has, `authority` what `Host` has."""

    scheme: str
    host: str
    port: int
    target: str
    authority: str

    @classmethod
    def parse(cls, text: str) -> PushUrl:
        """Raises `ValueError`, whose text says what is wrong."""
        if len(text) > MAX_URL_CHARACTERS or not _PRINTABLE.fullmatch(text) or "\\" in text:
            raise ValueError(f"a URL has up to {MAX_URL_CHARACTERS} characters of ASCII, without spaces or backslashes")
        parts = urlsplit(text)
        if parts.scheme not in _PORTS:
            raise ValueError("the URL has to begin with https:// or http://")
        if "@" in parts.netloc:
            raise ValueError("the URL holds a user or password; it is the signature that says who sends")
        if parts.fragment:
            raise ValueError("the URL has a fragment, which is never sent")
        try:
            host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        except ValueError:
            host, port = "", 0
        if not _is_host(host):
            raise ValueError("the URL has no host and port that could be connected to")
        authority = f"[{host}]" if ":" in host else host
        if port != _PORTS[parts.scheme]:
            authority += f":{port}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host, port, target, authority)


class PushAddresses:
    """The rule of one process: public addresses, and the networks that the operator allows besides."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._lookups = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="push look-up")

    def close(self) -> None:
        self._lookups.shutdown(wait=False, cancel_futures=True)

    async def of(self, url: PushUrl) -> Sequence[str]:
        """The addresses of its host, to be connected to. Raises `PushRefused`, and `OSError` for a name that is not
        known. One address that is refused refuses them all: a name that has both is not what it seems."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._lookups, _look_up, url.host, url.port)
        for address in map(ip_address, found):
            if self._is_allowed(address):
                continue
            if not is_public(address):
                raise PushRefused("its address is not public, and in none of the networks that are allowed")
            if url.scheme == "http":
                raise PushRefused("what is public is pushed to with https alone")
        return found

    def _is_allowed(self, address: Address) -> bool:
        reached = _reached(address)
        return any(reached in network for network in self._allowed if network.version == reached.version)


def is_public(address: Address) -> bool:
    """Whether it is an address of the internet, where anybody could send the same request."""
    reached = _reached(address)
    if isinstance(reached, IPv6Address):
        in_tunnel = any(reached in network for network in _TUNNELS)
        return reached in _GLOBAL_UNICAST and reached.is_global and not in_tunnel
    return reached.is_global and not (reached.is_multicast or reached.is_reserved)


def _reached(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _look_up(host: str, port: int) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        # A part of the name is longer than any may be, or empty.
        raise socket.gaierror(socket.EAI_NONAME, "no name") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _HOST_NAME.fullmatch(host) is not None
    try:
        return isinstance(ip_address(host), IPv6Address) and "%" not in host
    except ValueError:
        return False
