"""What a request is refused with before it reaches its route, alike in every service that asks for keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from shared.access.limits import RETRY_AFTER_SECONDS, Kind
from shared.service.problem_document import StatusCode

RETRY_AFTER: Final = {"Retry-After": "5"}


class AccessCode(StatusCode):
    """Stable."""

    KEY_NEEDED = "key_needed", 401, "The request has no API key"
    KEY_NOT_VALID = "key_not_valid", 401, "The API key is unknown, revoked, or past its time"
    SESSION_OVER = "session_over", 401, "The session is over: sign in again"
    SCOPE_MISSING = "scope_missing", 403, "The API key may not do this"
    OTHERS_UPLOAD = "others_upload", 403, "The upload came by another key"
    NOT_ON_LOOPBACK = "not_on_loopback", 403, "Authentication is off, so only this machine itself is answered"
    UNKNOWN_HOST = "unknown_host", 421, "The service was asked for by a name that is none of its own"
    FOREIGN_PAGE = "foreign_page", 403, "The request comes from a page of another site"
    JSON_NEEDED = "json_needed", 415, "The body does not say that it is JSON"
    TOO_MANY_AT_ONCE = "too_many_at_once", 429, "The key has too much in hand at once"
    KEYS_UNKNOWN = "keys_unknown", 503, "Which API keys are good cannot be known just now"


class Refusal(NamedTuple):
    """`detail` tells the client what to do."""

    code: AccessCode
    detail: str
    headers: Mapping[str, str] = {}


def key_needed() -> Refusal:
    detail = "Send `Authorization: Bearer rc_...`. Whoever runs this service makes keys."
    return Refusal(AccessCode.KEY_NEEDED, detail, {"WWW-Authenticate": 'Bearer realm="rollcall"'})


def key_not_valid(*, is_damaged: bool) -> Refusal:
    detail = (
        "What was sent is no key: it was cut off or mistyped. A key is `rc_`, its id, `_` and 49 letters and digits."
        if is_damaged
        else "The key is unknown, was revoked, or is past its time: ask whoever runs this service for a new one."
    )
    challenge = 'Bearer realm="rollcall", error="invalid_token"'
    return Refusal(AccessCode.KEY_NOT_VALID, detail, {"WWW-Authenticate": challenge})


def session_over() -> Refusal:
    return Refusal(AccessCode.SESSION_OVER, "Sign in again at /sign-in.")


def scope_missing(scope: str) -> Refusal:
    detail = f"This needs a key with the scope `{scope}`. `GET /v1/self` says what yours has."
    return Refusal(AccessCode.SCOPE_MISSING, detail)


def others_upload() -> Refusal:
    detail = "A key with the scope `upload` changes what keys of its own name have sent; for others' it needs `admin`."
    return Refusal(AccessCode.OTHERS_UPLOAD, detail)


def not_on_loopback() -> Refusal:
    detail = (
        "Nothing was done. Whoever runs this service either sets ROLLCALL_AUTHENTICATION=on, or lets it listen on "
        "127.0.0.1 alone."
    )
    return Refusal(AccessCode.NOT_ON_LOOPBACK, detail)


def keys_unknown() -> Refusal:
    detail = "The database that knows the keys does not answer: try again shortly."
    return Refusal(AccessCode.KEYS_UNKNOWN, detail, RETRY_AFTER)


def unknown_host() -> Refusal:
    detail = (
        "Use the service's address in numbers, `localhost`, or a name in ROLLCALL_ALLOWED_HOSTS; whoever runs it adds "
        "names there."
    )
    return Refusal(AccessCode.UNKNOWN_HOST, detail)


def foreign_page() -> Refusal:
    return Refusal(AccessCode.FOREIGN_PAGE, "Nothing was done. Open Rollcall's own page, and do it there.")


def json_needed() -> Refusal:
    return Refusal(AccessCode.JSON_NEEDED, "Send JSON, with the header Content-Type: application/json.")


def too_many(kind: Kind, most: int) -> Refusal:
    """With the headers of the IETF's draft on rate limits: nothing is left, and a second is worth waiting."""
    detail = f"Keys of one name may have {most} {kind} in hand at a time: wait for one to end, and try again."
    headers = {
        "Retry-After": str(RETRY_AFTER_SECONDS),
        "RateLimit-Policy": f'"{kind}-at-once";q={most}',
        "RateLimit": f'"{kind}-at-once";r=0;t={RETRY_AFTER_SECONDS}',
    }
    return Refusal(AccessCode.TOO_MANY_AT_ONCE, detail, headers)
