"""Without authentication a service is for its own machine alone: it does not start where others would reach it.

Two guards, because a program cannot know for sure how its server was started: its command line is read at the start,
and each request is refused that came in on another address than a loopback's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from shared.errors import RollcallError

# As uvicorn reads it.
HOST_VARIABLE: Final = "UVICORN_HOST"
_DEFAULT_HOST: Final = "127.0.0.1"


class OpenToOthers(RollcallError):
    """A service without authentication would listen on an address that others reach. The text says what to do."""


def require_loopback(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """From the command line of uvicorn. Raises `OpenToOthers`."""
    host = _option(arguments, "--host") or environment.get(HOST_VARIABLE) or _DEFAULT_HOST
    if not is_loopback(host):
        raise OpenToOthers(
            f"Authentication is off, and the service is to listen on {host}, where others reach it. Either set "
            "ROLLCALL_AUTHENTICATION=on and make a key with `python -m api_service.access.create_key`, or listen on "
            "127.0.0.1. Only if this address is published on 127.0.0.1 alone, as docker-compose.yml does with its "
            "containers', say so with ROLLCALL_PUBLISHED_ON_LOOPBACK=true."
        )


def came_in_on_loopback(scope: Mapping[str, Any]) -> bool:
    """By the address of our end of the connection. A Unix socket has none, and is this machine's."""
    server = scope.get("server")
    return server is None or server[1] is None or is_loopback(server[0])


# Each request asks of one of a few addresses.
@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _option(arguments: Sequence[str], name: str) -> str | None:
    """The last one counts."""
    found = None
    for position, argument in enumerate(arguments):
        if argument == name and position + 1 < len(arguments):
            found = arguments[position + 1]
        elif argument.startswith(f"{name}="):
            found = argument.partition("=")[2]
    return found
