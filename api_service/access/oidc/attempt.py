"""A sign-in that was begun: what the browser keeps of it while it is at the provider.

It is kept by the browser alone, in a cookie, so that any API process can end what another began. The signature keeps
anybody from making one up; that the answer comes with the cookie shows that it is for the browser that asked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

import msgspec

SECONDS: Final = 600.0
# Browsers drop a cookie of more than 4 KiB, and the sign-in with it.
MOST_ADDRESS_CHARACTERS: Final = 1000
_RANDOM_BYTES: Final = 32


class Attempt(msgspec.Struct, frozen=True):
    """`then` is the page that was asked for; `ends_at` is as `time.time()` counts."""

    state: str
    nonce: str
    code_verifier: str
    then: str
    ends_at: float


def begin(then: str, *, now: float) -> Attempt:
    """`then` is an address of ours; one that is too long is not come back to."""
    then = then if len(then) <= MOST_ADDRESS_CHARACTERS else ""
    return Attempt(_random(), _random(), _random(), then, now + SECONDS)


def sealed(attempt: Attempt, secret: str) -> str:
    body = _encode(msgspec.json.encode(attempt))
    return f"{body}.{_signature(body, secret)}"


def opened(text: str, secret: str, *, now: float) -> Attempt | None:
    """None if it was not sealed here, or its time is over."""
    body, _, signature = text.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(body, secret).encode()):
        return None
    attempt = msgspec.json.decode(base64.urlsafe_b64decode(body), type=Attempt)
    return attempt if now < attempt.ends_at else None


def _signature(body: str, secret: str) -> str:
    # Not the secret itself, which is for the provider.
    key = hmac.digest(secret.encode(), b"rollcall sign-in attempt", hashlib.sha256)
    return _encode(hmac.digest(key, body.encode(), hashlib.sha256))


def _random() -> str:
    return secrets.token_urlsafe(_RANDOM_BYTES)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()
