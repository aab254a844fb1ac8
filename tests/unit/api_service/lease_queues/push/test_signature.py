"""Pushes are signed so that any library of Standard Webhooks knows them."""

from __future__ import annotations

import base64
import re

import pytest

from api_service.lease_queues.push.signature import SECRET_PATTERN, key_of, sign

# Of the specification's own libraries.
KNOWN_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KNOWN_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
KNOWN_TIME = 1614265330
KNOWN_BODY = b'{"test": 2432232314}'
KNOWN_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def secret_of(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def test_known_push_has_the_known_signature() -> None:
    assert sign(key_of(KNOWN_SECRET), KNOWN_ID, KNOWN_TIME, KNOWN_BODY) == KNOWN_SIGNATURE


def test_signature_is_of_id_time_body_and_key() -> None:
    key = key_of(KNOWN_SECRET)
    others = {
        sign(key, KNOWN_ID + "x", KNOWN_TIME, KNOWN_BODY),
        sign(key, KNOWN_ID, KNOWN_TIME + 1, KNOWN_BODY),
        sign(key, KNOWN_ID, KNOWN_TIME, KNOWN_BODY + b" "),
        sign(bytes(24), KNOWN_ID, KNOWN_TIME, KNOWN_BODY),
    }
    assert len(others | {KNOWN_SIGNATURE}) == 5


@pytest.mark.parametrize("size", [24, 25, 26, 32, 64])
def test_keys_of_24_to_64_bytes_are_secrets(size: int) -> None:
    secret = secret_of(bytes(range(size)))
    assert key_of(secret) == bytes(range(size))
    assert re.fullmatch(SECRET_PATTERN, secret)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        secret_of(bytes(23)),
        secret_of(bytes(65)),
        secret_of(bytes(24)).removeprefix("whsec_"),
        secret_of(bytes(24)).replace("A", "-"),
        secret_of(bytes(32)).rstrip("="),
        secret_of(bytes(24)) + "\n",
        secret_of(bytes(24)).replace("whsec_", "whsk_"),
    ],
)
def test_anything_else_is_no_secret_and_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as refusal:
        key_of(text)
    assert text.removeprefix("whsec_").strip() == "" or text.strip() not in str(refusal.value)
