"""Messages whose properties the libraries cannot read: any AMQP client may put one on a queue.

A short string may hold bytes that are no UTF-8, a time lie beyond the year 9999, a table be nested without end. pamqp
raises from within the connection's reader, so the connection dies of such a message, each time that it is delivered.
Here it arrives without its properties instead, and its handler is told by `require_readable_properties`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.errors import MalformedMessage

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage

_UNREADABLE = "x-rollcall-unreadable"

_unmarshal = ContentHeader.unmarshal


def _unmarshal_what_is_readable(self: ContentHeader, data: bytes) -> None:
    try:
        _unmarshal(self, data)
        # Else aio-pika raises for them later, in a task that nobody waits for.
        self.properties.validate()
    except Exception:  # whatever bytes of a stranger bring about: UnicodeDecodeError, OverflowError, RecursionError
        self.class_id, self.weight, self.body_size = struct.unpack(">HHQ", data[:12])
        self.properties = Basic.Properties(headers={_UNREADABLE: True})


def tolerate_unreadable_properties() -> None:
    """For the whole process, because the library has no other place for it. Once or often."""
    ContentHeader.unmarshal = _unmarshal_what_is_readable  # type: ignore[method-assign]


def require_readable_properties(message: AbstractIncomingMessage) -> None:
    """Raises `MalformedMessage`: nobody knows whom to answer, nor how often the message came back."""
    if _UNREADABLE in message.headers:
        raise MalformedMessage("the message's AMQP properties cannot be read (for example text that is not UTF-8)")
