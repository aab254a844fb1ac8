"""Says in words for an operator why a server could not be used, as far as an error's class or number tells it.

The error's own text is never quoted: it may hold a row, and the address with its password.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES: Final = {
    "25006": "Postgres is read-only: it is a standby, or was set so",
    "28000": "Postgres refuses the user of ROLLCALL_DATABASE_URL: there is none of this name, or its pg_hba.conf lets "
    "none in from here, or none without TLS",
    "28P01": "Postgres refuses the user or password of ROLLCALL_DATABASE_URL",
    "3D000": "Postgres has no database of the name in ROLLCALL_DATABASE_URL",
    "42501": "the user of ROLLCALL_DATABASE_URL lacks a privilege on the database or its tables",
    "42P01": "a table is missing: run the migrations, or look whether ROLLCALL_DATABASE_URL names the right database",
    "53100": "Postgres has no disk space left",
    "53200": "Postgres has no memory left",
    "53300": "Postgres has no connection left: max_connections, or the limit of this user or database",
    "57P01": "Postgres was shut down",
    "57P02": "Postgres crashed",
    "57P03": "Postgres is starting, recovering or shutting down",
}


def reason_of_sqlstate(state: str | None) -> str | None:
    return _SQLSTATES.get(state or "")


def reason_of_network(error: BaseException) -> str | None:
    """Of the first error in its chain of causes that tells one."""
    return next((reason for each in _chain(error) if (reason := _network_reason(each)) is not None), None)


def errno_name(error: BaseException) -> str | None:
    """As `EROFS`, if an error in its chain of causes is the operating system's."""
    # A failed look-up and TLS have numbers of their own, which are no errno.
    numbers = (each.errno or 0 for each in _chain(error) if isinstance(each, OSError) and not _has_own_numbers(each))
    return next((errno.errorcode[number] for number in numbers if number in errno.errorcode), None)


def _has_own_numbers(error: OSError) -> bool:
    return isinstance(error, (socket.gaierror, ssl.SSLError))


def _network_reason(error: BaseException) -> str | None:
    match error:
        case socket.gaierror():
            return "its host name is not known (DNS)"
        case ConnectionRefusedError():
            return "nothing listens at its host and port"
        case ssl.SSLCertVerificationError():
            return "its TLS certificate is not trusted"
        case ssl.SSLError():
            return "it does not speak TLS there, or not a version of it that this service does"
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return "it closed the connection"
        case TimeoutError():
            return "it does not answer in time"
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            return "its host cannot be reached"
        # What asyncpg says when TLS is asked for and the server has none.
        case ConnectionError() if type(error) is ConnectionError and "SSL upgrade" in str(error):
            return "TLS is asked for, and it has none"
        case _:
            return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        each = getattr(each, "orig", None) or each.__cause__
