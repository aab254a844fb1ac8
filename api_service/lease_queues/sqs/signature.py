"""Signatures of AWS, version 4: whose key signed a request, and whether it was signed with that key's secret.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import quote

from api_service.lease_queues.sqs.errors import SqsError

ALGORITHM: Final = "AWS4-HMAC-SHA256"
# As AWS: so far may a client's clock be off.
SKEW: Final = timedelta(minutes=15)
_TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_authorization = re.compile(
    rf"{ALGORITHM} +Credential=(?P<key_id>[0-9A-Za-z]{{1,128}})/(?P<scope>(?P<day>[0-9]{{8}})/[^/, ]+/sqs/aws4_request)"
    r", *SignedHeaders=(?P<headers>[a-z0-9;_.-]+), *Signature=(?P<signature>[0-9a-f]{64})"
)


class Signed(NamedTuple):
    """What a request says of its signature."""

    key_id: str
    scope: str
    signed_at: str
    headers: Sequence[str]
    signature: str


class SignedRequest(NamedTuple):
    """What is signed. Header names are in lower case; of a header that comes twice the values are joined by commas."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | bytearray


def secret_of(server_secret: str, key_id: str) -> str:
    """The secret access key that belongs to a key. It is worked out each time, so that none is stored."""
    digest = hmac.new(server_secret.encode(), b"rollcall sqs secret " + key_id.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def read(headers: Mapping[str, str]) -> Signed:
    """Raises `SqsError` for what is no signature."""
    found = _authorization.fullmatch(headers.get("authorization", ""))
    signed_at = headers.get("x-amz-date", "")
    if found is None or not signed_at.startswith(found["day"]):
        raise _refused("MissingAuthenticationToken", "Sign the request with a key of Rollcall's, by AWS's version 4.")
    names = found["headers"].split(";")
    # What is not signed could be another's: where it goes to, when, and what is asked.
    if not {"host", "x-amz-date"} <= set(names) or ("x-amz-target" in headers and "x-amz-target" not in names):
        raise _refused("IncompleteSignature", "Host, X-Amz-Date and X-Amz-Target have to be signed.")
    return Signed(found["key_id"], found["scope"], signed_at, names, found["signature"])


def check(signed: Signed, request: SignedRequest, secret: str, now: datetime) -> None:
    """Raises `SqsError` if it was signed with another secret, or long ago."""
    if not hmac.compare_digest(_signature(signed, request, secret), signed.signature):
        raise _refused("InvalidClientTokenId", "The signature is not that of this key's secret, or the key is none.")
    try:
        signed_at = datetime.strptime(signed.signed_at, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise _refused("IncompleteSignature", "X-Amz-Date is no time.") from None
    if abs(now - signed_at) > SKEW:
        raise _refused("RequestExpired", "The request was signed more than 15 minutes ago: set the clock.")


def _signature(signed: Signed, request: SignedRequest, secret: str) -> str:
    lines = [f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed.headers]
    canonical = "\n".join(
        (
            request.method,
            quote(request.path, safe="/-_.~"),
            "",
            "".join(lines),
            ";".join(signed.headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    text = "\n".join((ALGORITHM, signed.signed_at, signed.scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in signed.scope.split("/"):
        key = _hmac(key, part)
    return _hmac(key, text).hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _refused(code: str, message: str) -> SqsError:
    return SqsError(code, message, status=403)
