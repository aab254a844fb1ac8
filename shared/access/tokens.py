"""The form of API keys and of the tokens of sessions: `rc_<id>_<secret>`, with a checksum at the end.

The prefix and the checksum let a scanner find a key that was published by mistake, and tell it from one that only looks
alike. The id is no secret: it names the key in lists, in the audit and in logs.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import Final, Literal, NamedTuple

KEY: Final = "rc"
SESSION: Final = "rs"
Kind = Literal["rc", "rs"]

ID_LENGTH: Final = 12
SECRET_BYTES: Final = 32
ID_PATTERN: Final = f"^[0-9A-Za-z]{{{ID_LENGTH}}}$"

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH: Final = 43  # of 32 bytes in base 62
_CHECKSUM_LENGTH: Final = 6  # of a CRC-32 in base 62
_FORM: Final = re.compile(rf"(rc|rs)_([0-9A-Za-z]{{{ID_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}")


class Token(NamedTuple):
    """One that was just made: its text is shown once, and its digest is what is stored."""

    id: str
    text: str
    digest: bytes


def new_token(kind: Kind) -> Token:
    token_id = "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH))
    body = f"{kind}_{token_id}_{_base62(int.from_bytes(secrets.token_bytes(SECRET_BYTES)), _SECRET_LENGTH)}"
    text = body + _checksum(body)
    return Token(token_id, text, digest_of(text))


def id_in(text: str, kind: Kind) -> str | None:
    """None if it does not have the form. The checksum is left to `is_damaged`, because the digest says as much."""
    found = _FORM.fullmatch(text)
    return found[2] if found is not None and found[1] == kind else None


def is_damaged(text: str) -> bool:
    """Whether a text was never a key: mistyped, cut off, or one that only looks alike."""
    return _FORM.fullmatch(text) is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]


def digest_of(text: str) -> bytes:
    """SHA-256 is enough for 32 random bytes: what makes a slow hash needful is a secret that people think up."""
    return hashlib.sha256(text.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
