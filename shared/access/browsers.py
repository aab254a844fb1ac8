"""Keeps pages of other sites from making a visitor's browser do what they cannot do themselves.

A browser carries its visitor's reach to wherever a page sends it: to a service on loopback, and with the session's
cookie. It says where a request comes from, which no page can change; what says nothing of the kind is no browser, and
has no rights that are not its own.

* The name that it was asked by has to be one of ours, or a page whose name is made to point here (DNS rebinding) would
  be of the same origin. An address in numbers cannot be made to point elsewhere.
* What changes something comes from our own origin, or from one that was allowed by name.
* Bodies of JSON say that they are: a form cannot, and a script of another origin has to ask before.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK_NAME: Final = "localhost"


def names_in(setting: str) -> frozenset[str]:
    """Of a setting that has several, separated by commas."""
    return frozenset(name.strip().lower() for name in setting.split(",") if name.strip())


def is_known_host(headers: Mapping[bytes, bytes], allowed: Collection[str]) -> bool:
    """Without the header it is no browser."""
    host = headers.get(b"host")
    if host is None:
        return True
    name, is_address = _name_of(host)
    return is_address or name == _LOOPBACK_NAME or name in allowed


def is_foreign(headers: Mapping[bytes, bytes], allowed_origins: Collection[str]) -> bool:
    """Whether a page of another origin sent it. One of the same site is another origin: any port of this machine is."""
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    if origin and origin in allowed_origins:
        return False
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in (b"same-origin", b"none")
    if not origin:
        return False
    return urlsplit(origin).netloc != headers.get(b"host", b"").decode("latin-1").lower()


def lacks_json(headers: Mapping[bytes, bytes]) -> bool:
    """Whether there is a body that does not say that it is JSON."""
    has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    is_json = media_type == b"application/json" or (
        media_type.startswith(b"application/") and media_type.endswith(b"+json")
    )
    return has_body and not is_json


def header_map(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The first of each name; of what may come once, several are refused where it matters."""
    return dict(reversed(headers))


# Nearly all requests have one of a few.
@lru_cache(maxsize=256)
def _name_of(host: bytes) -> tuple[str, bool]:
    """Without the port, and whether it is an address in numbers. Empty for what is no host."""
    try:
        name = urlsplit(f"//{host.decode('latin-1')}").hostname or ""
    except ValueError:
        return "", False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name, False
    return name, True
