"""Signs messages, so that whoever may only write to the broker can forge no rows and direct no replies.

A signature is an HMAC-SHA256, in a header, over what the message is for, `reply_to`, `correlation_id` and the body,
which names its kind and version. Who has no key sends and reads as releases before this did: the header is nothing to
them. See docs/decisions/0028.
"""

from __future__ import annotations

import hmac
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

import structlog
from prometheus_client import Counter

from shared.amqp.publish_many import OutgoingMessage
from shared.amqp.topology import (
    CHUNK_KEY,
    DEAD_LETTERS_EXCHANGE,
    REPLIES_EXCHANGE,
    REQUESTS_EXCHANGE,
    UPLOADS_EXCHANGE,
)
from shared.errors import MalformedMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aio_pika.abc import AbstractIncomingMessage
    from pamqp.common import FieldValue

    from shared.service.settings import SharedSettings

log = structlog.get_logger(__name__)

SIGNATURE_HEADER: Final = "rollcall-signature"

UNSIGNED = Counter("rollcall_unsigned_messages_total", "Messages without a signature that were taken nevertheless.")
FORGED = Counter("rollcall_forged_messages_total", "Messages refused because nobody with the key had signed them.")


class Purpose(Enum):
    """What a message is for: the signature of one is none for another, so a reply can be no request."""

    REQUEST = b"request"
    REPLY = b"reply"
    ANNOUNCEMENT = b"announcement"


_PURPOSES: Final = {
    REQUESTS_EXCHANGE: Purpose.REQUEST,
    REPLIES_EXCHANGE: Purpose.REPLY,
    UPLOADS_EXCHANGE: Purpose.ANNOUNCEMENT,
}


def purpose_of(exchange: str, routing_key: str) -> Purpose | None:
    """None for dead letters, which are for people: signed, the letter of a forged message could be sent as genuine."""
    if exchange == DEAD_LETTERS_EXCHANGE:
        return Purpose.REQUEST if routing_key == CHUNK_KEY else None
    return _PURPOSES.get(exchange)


class Signatures:
    """Signs with the first key of `ROLLCALL_MESSAGE_KEY`, and knows the signatures of all of them."""

    def __init__(self, settings: SharedSettings) -> None:
        self._keys = [key.encode() for key in settings.message_keys]
        self._takes_unsigned = settings.unsigned_messages == "accept"

    def sign(self, message: OutgoingMessage, purpose: Purpose | None) -> OutgoingMessage:
        """The message itself, with its signature; as it was without a key or a purpose."""
        if self._keys and purpose is not None:
            properties = message.properties
            signature = _signature(self._keys[0], purpose, properties.reply_to, properties.correlation_id, message.body)
            headers = cast("Mapping[str, FieldValue]", properties.headers or {})
            properties.headers = {**headers, SIGNATURE_HEADER: signature}
        return message

    def require(self, message: AbstractIncomingMessage, purpose: Purpose) -> None:
        """Raises `MalformedMessage` if a key is set and nobody who has it wrote this message for this purpose."""
        if not self._keys:
            return
        given = message.headers.get(SIGNATURE_HEADER)
        if given is None and self._takes_unsigned:
            UNSIGNED.inc()
            return
        if isinstance(given, str) and any(
            hmac.compare_digest(
                given.encode(),
                _signature(key, purpose, message.reply_to, message.correlation_id, message.body).encode(),
            )
            for key in self._keys
        ):
            return
        FORGED.inc()
        what = "not signed" if given is None else "signed by nobody who has the key for this"
        raise MalformedMessage(f"the message is {what} (ROLLCALL_MESSAGE_KEY)")


def warn_if_unsigned_are_taken(settings: SharedSettings) -> None:
    """Once, at the start: somebody has to close that door in the end."""
    if settings.message_keys and settings.unsigned_messages == "accept":
        log.warning("unsigned messages are taken", remedy="without ROLLCALL_UNSIGNED_MESSAGES once all have the key")


def _signature(key: bytes, purpose: Purpose, reply_to: str | None, correlation_id: str | None, body: bytes) -> str:
    """Each part but the last behind its length, so that nothing can be moved from one into the next."""
    mac = hmac.new(key, digestmod="sha256")
    for part in (purpose.value, (reply_to or "").encode(), (correlation_id or "").encode()):
        mac.update(len(part).to_bytes(4, "big"))
        mac.update(part)
    mac.update(body)
    return mac.hexdigest()
