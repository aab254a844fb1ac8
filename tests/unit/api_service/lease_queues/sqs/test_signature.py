"""Signatures are those that botocore makes, and nothing that was signed can be changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from api_service.lease_queues.sqs import signature
from api_service.lease_queues.sqs.errors import SqsError
from api_service.lease_queues.sqs.signature import SignedRequest

SECRET = signature.secret_of("the server's", "Key1")
BODY = '{"QueueUrl": "q", "MessageBody": "é"}'.encode()


def signed(path: str = "/", target: str | None = "AmazonSQS.SendMessage") -> SignedRequest:
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Spaced": " a   b "}
    if target is not None:
        headers["X-Amz-Target"] = target
    request = AWSRequest("POST", f"http://localhost:8000{path}", headers=headers, data=BODY)
    SigV4Auth(Credentials("Key1", SECRET), "sqs", "us-east-1").add_auth(request)
    names = {name.lower(): str(value) for name, value in request.headers.items()}
    return SignedRequest("POST", path, {"host": "localhost:8000", **names}, BODY)


def check(request: SignedRequest, secret: str = SECRET, after: timedelta = timedelta(0)) -> None:
    signature.check(signature.read(request.headers), request, secret, datetime.now(UTC) + after)


@pytest.mark.parametrize("path", ["/", "/000000000000/q.fifo"])
def test_what_botocore_signs_is_accepted(path: str) -> None:
    request = signed(path)
    assert signature.read(request.headers).key_id == "Key1"
    check(request)
    check(signed(path, target=None))


def test_nothing_that_was_signed_can_be_changed() -> None:
    request = signed()
    for changed in (
        request._replace(body=BODY + b" "),
        request._replace(path="/000000000000/q"),
        request._replace(method="PUT"),
        request._replace(headers={**request.headers, "x-amz-target": "AmazonSQS.PurgeQueue"}),
        request._replace(headers={**request.headers, "host": "elsewhere"}),
    ):
        with pytest.raises(SqsError) as caught:
            check(changed)
        assert (caught.value.code, caught.value.status) == ("InvalidClientTokenId", 403)
    for secret in (signature.secret_of("another", "Key1"), signature.secret_of("the server's", "Key2")):
        with pytest.raises(SqsError):
            check(request, secret)


def test_a_signature_is_good_for_a_quarter_of_an_hour() -> None:
    for after in (timedelta(minutes=16), timedelta(minutes=-16)):
        with pytest.raises(SqsError, match="15 minutes"):
            check(signed(), after=after)
    check(signed(), after=timedelta(minutes=14))


REST = "/us-east-1/{}/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + "0" * 64


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer rc_abc",
        "AWS4-HMAC-SHA256 Credential=Key1/20260101" + REST.format("s3"),
        "AWS4-HMAC-SHA256 Credential=Key1/19700101" + REST.format("sqs"),
    ],
)
def test_what_is_no_signature_is_refused(authorization: str) -> None:
    request = signed()
    with pytest.raises(SqsError):
        signature.read({**request.headers, "authorization": authorization})


def test_what_matters_has_to_be_signed() -> None:
    request = signed(target=None)
    with pytest.raises(SqsError, match="have to be signed"):
        signature.read({**request.headers, "x-amz-target": "AmazonSQS.PurgeQueue"})
