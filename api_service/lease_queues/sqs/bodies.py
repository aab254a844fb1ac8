"""What SQS calls a message's body and id, in terms of what a lease queue keeps.

A body is kept as the JSON string that it is. A payload that was sent at the lease queues' own door and is something
else is received here as its JSON text.
"""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import UUID

import msgspec

# Version 8, which leaves the other bits to us (RFC 9562, 5.8). A message has the same id wherever it is moved.
_ID_BASE: Final = 0x8000 << 64 | 0x8000 << 48


def as_payload(body: str) -> bytes:
    return msgspec.json.encode(body)


def from_payload(payload: str) -> str:
    if not payload.lstrip().startswith('"'):
        return payload
    try:
        return msgspec.json.decode(payload, type=str)
    except msgspec.DecodeError:  # half of a surrogate pair, which JSON allows and UTF-8 does not
        return payload


def md5_of(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def message_uuid(message_id: int) -> str:
    return str(UUID(int=_ID_BASE | message_id))


def sequence_number(message_id: int) -> str:
    """Of the messages of a queue, in ascending order."""
    return f"{message_id:020d}"
