"""Dead letters by their ids. An id goes with each copy of a letter, so two copies are known to be one letter."""

from __future__ import annotations

import uuid
from typing import NamedTuple


class RowLetter(NamedTuple):
    """The letter of a rejected row, at the attempt that was rejected."""

    upload_id: uuid.UUID
    row_number: int
    attempt: int


class MalformedLetter(NamedTuple):
    """The letter of a message that was no request."""

    id: uuid.UUID


Letter = RowLetter | MalformedLetter


def letter_id(letter: Letter) -> str:
    """The message id, and correlation id, of a letter: `upload:row:attempt` or `malformed:id`."""
    if isinstance(letter, MalformedLetter):
        return f"malformed:{letter.id}"
    return f"{letter.upload_id}:{letter.row_number}:{letter.attempt}"


def letter_named(identity: str) -> Letter | None:
    """The inverse of `letter_id`; None for anything that it never makes."""
    first, *numbers = identity.split(":")
    try:
        letter: Letter
        if first == "malformed":
            (malformed_id,) = numbers
            letter = MalformedLetter(uuid.UUID(malformed_id))
        else:
            row_number, attempt = map(int, numbers)
            if not (0 < row_number < 2**63 and 0 < attempt < 2**31):
                return None
            letter = RowLetter(uuid.UUID(first), row_number, attempt)
    except ValueError:
        return None
    return letter if letter_id(letter) == identity else None
