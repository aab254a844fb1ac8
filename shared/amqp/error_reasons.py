"""Says in words for an operator what a broker's refusal is about. Its own text stays out: it names users and hosts."""

from __future__ import annotations

from typing import Final

from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
    IncompatibleProtocolError,
    InvalidFrameError,
    ProbableAuthenticationError,
    ProtocolSyntaxError,
)

from shared.service.error_reasons import reason_of_network

_NO_VHOST: Final = "it has no such virtual host, or not for this user"
_REASONS: Final[dict[type[BaseException], str]] = {
    AuthenticationError: "it does not let in by user and password",
    ChannelAccessRefused: "it lets this user not configure, read or write what Rollcall needs in the virtual host",
    ChannelPreconditionFailed: "a queue or exchange of this name is there with other arguments",
    ConnectionNotAllowed: _NO_VHOST,
    IncompatibleProtocolError: "no AMQP is spoken there",
    ProbableAuthenticationError: "it refuses the user or password",
    ProtocolSyntaxError: "no AMQP 0-9-1 is spoken there",
}


def reason_of_broker(error: BaseException) -> str:
    """The error's class where nothing better is known."""
    if isinstance(error, InvalidFrameError) and "Connection.OpenOk" in str(error):
        # The library awaits that the virtual host is opened, and does not look at the close that comes instead.
        return _NO_VHOST
    of_class = (reason for kind, reason in _REASONS.items() if isinstance(error, kind))
    return next(of_class, None) or reason_of_network(error) or type(error).__name__
