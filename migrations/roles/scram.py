"""A password as Postgres stores it, so that the password itself is in no statement, and in no log of statements."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

_ITERATIONS: Final = 4096


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """As `\\password` of psql makes it (RFC 5803). Raises `ValueError` for a password that is not ASCII."""
    if not password.isascii() or not password.isprintable():
        raise ValueError("a role's password has to be of printable ASCII characters")
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ITERATIONS, *parts)
