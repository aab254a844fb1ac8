"""Whose key a request to the SQS endpoint was signed with, and which queues that one reaches.

The layer before routing lets these requests through, because what proves them is in their bodies' signatures. Nothing
of a body is read before its sender has named a key that is good.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from fastapi import Request

from api_service.lease_queues.sqs import signature
from api_service.lease_queues.sqs.errors import SqsError
from api_service.lease_queues.sqs.signature import Signed, SignedRequest
from api_service.settings import ApiSettings
from shared.access.callers import ANYBODY, SCOPE_KEY, Caller
from shared.access.key_directory import KeyDirectory, KeysUnknown
from shared.access.tokens import KEY


class Claimed(NamedTuple):
    """Who it says that it is. `signed` is None where nothing has to be proved any more."""

    caller: Caller
    signed: Signed | None


def claimed(request: Request, settings: ApiSettings) -> Claimed:
    """Raises `SqsError`."""
    keys: KeyDirectory | None = request.app.state.keys
    if keys is None:
        return Claimed(ANYBODY, None)
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() == "bearer":
            caller, signed = keys.find(text.strip(), KEY), None
        else:
            signed = signature.read(_headers(request))
            caller = keys.named(signed.key_id) if settings.sqs_secret.get_secret_value() else None
    except KeysUnknown:
        raise SqsError("ServiceUnavailable", "The keys cannot be looked at: try again shortly.", status=503) from None
    if caller is None:
        message = (
            "The key is none that is good, or the service has no ROLLCALL_API_SQS_SECRET to check signatures with."
        )
        raise SqsError("InvalidClientTokenId", message, status=403)
    return Claimed(caller, signed)


def prove(claim: Claimed, request: Request, body: bytes | bytearray, settings: ApiSettings) -> Caller:
    """Raises `SqsError` if the request was signed by somebody else."""
    if claim.signed is not None:
        secret = signature.secret_of(settings.sqs_secret.get_secret_value(), claim.signed.key_id)
        signed = SignedRequest(request.method, request.url.path, _headers(request), body)
        signature.check(claim.signed, signed, secret, datetime.now(UTC))
    request.scope[SCOPE_KEY] = claim.caller
    return claim.caller


def _headers(request: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
