"""Signs what is pushed, as Standard Webhooks has it: HMAC-SHA256 over id, time and body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with
# For whole texts, as in JSON Schema: 24 to 64 bytes in base64.
SECRET_PATTERN: Final = r"^whsec_[A-Za-z0-9+/]{32,86}={0,2}$"  # noqa: S105 - what every secret looks like
_KEY_BYTES: Final = range(24, 65)


def key_of(secret: str) -> bytes:
    """Raises `ValueError` for what is no secret, without quoting it."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) not in _KEY_BYTES:
        raise ValueError(f"a secret is {SECRET_PREFIX} and 24 to 64 bytes in base64")
    return key


def sign(key: bytes, push_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`. The id holds no full stop, which would make it ambiguous what was signed."""
    signed = hmac.new(key, f"{push_id}.{timestamp}.".encode(), hashlib.sha256)
    signed.update(body)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"
