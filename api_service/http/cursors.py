"""Cursors: where a list goes on, as an opaque text that is good for no other list."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import msgspec

from api_service.http.problems import Problem, ProblemCode

MAX_CURSOR_LENGTH: Final = 1000
BIGINT_MAX: Final = 2**63 - 1


def encode_cursor(list_digest: str, key: tuple[Any, ...]) -> str:
    """`key` is that of the item to go on after."""
    return base64.urlsafe_b64encode(msgspec.json.encode([list_digest, *key])).rstrip(b"=").decode()


def decode_cursor(cursor: str, list_digest: str) -> list[str | int]:
    """The key. Raises `invalid_cursor` for another list's, and for anything that `encode_cursor` never makes."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        document = base64.b64decode(padded, altchars=b"-_", validate=True)
        digest, *key = msgspec.json.decode(document, type=list[str | int])
    except (UnicodeError, binascii.Error, msgspec.DecodeError, ValueError):
        raise invalid_cursor() from None
    if digest != list_digest or not all(map(_can_be_asked_for, key)):
        raise invalid_cursor()
    return key


def _can_be_asked_for(part: str | int) -> bool:
    """False for what Postgres has no value for: the query would fail."""
    return "\0" not in part if isinstance(part, str) else 0 <= part <= BIGINT_MAX


def invalid_cursor() -> Problem:
    return Problem(
        ProblemCode.INVALID_CURSOR,
        "The cursor is not one of this list with these filters. Start again without it.",
    )
