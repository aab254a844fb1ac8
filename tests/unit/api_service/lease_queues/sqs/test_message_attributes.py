"""What is sent as attributes and bodies of SQS is what comes back, whatever it is kept as."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from api_service.lease_queues.sqs import bodies, message_attributes
from api_service.lease_queues.sqs.message_attributes import AttributeValue

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)
names = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)
values = st.one_of(
    texts.map(lambda text: AttributeValue("String", text)),
    texts.map(lambda text: AttributeValue("String.custom", text)),
    st.integers().map(lambda number: AttributeValue("Number", str(number))),
    st.binary(min_size=1).map(lambda content: AttributeValue("Binary.gif", binary_value=content)),
)


@given(st.dictionaries(names, values, max_size=10))
def test_attributes_survive_as_headers(attributes: dict[str, AttributeValue]) -> None:
    message_attributes.check(attributes)
    headers = message_attributes.as_headers(attributes)
    assert message_attributes.from_headers(headers) == attributes
    assert message_attributes.digest(message_attributes.from_headers(headers)) == message_attributes.digest(attributes)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_bodies_survive_as_payloads(body: str) -> None:
    payload = bodies.as_payload(body)
    assert json.loads(payload) == body
    assert bodies.from_payload(payload.decode()) == body


def test_payloads_that_are_no_strings_are_their_own_text() -> None:
    for payload in ('{"a": 1}', "[1, 2]", "5", "null", ' {"a": "\\u0000"}', '"\\ud800"'):
        assert bodies.from_payload(payload) == payload
    assert bodies.from_payload(' "spaced"') == "spaced"


def test_headers_of_the_other_door_are_strings_whatever_they_say_of_themselves() -> None:
    headers = {"raw": "not base64!", "AWS.DataType.raw": "Binary", "AWS.TraceHeader": "Root=1"}
    assert message_attributes.from_headers(headers) == {"raw": AttributeValue("String", "not base64!")}


def test_the_digest_is_that_of_the_documentation() -> None:
    """Of the AWS documentation's description, worked out by hand: names in order, lengths, types, values."""
    attributes = {"b": AttributeValue("Number", "1"), "a": AttributeValue("Binary", binary_value=b"\x01")}
    assert message_attributes.digest(attributes) == _md5(
        b"\0\0\0\1a\0\0\0\6Binary\2\0\0\0\1\1" + b"\0\0\0\1b\0\0\0\6Number\1\0\0\0\0011"
    )


def test_message_ids_are_uuids_that_name_their_message() -> None:
    assert bodies.message_uuid(0x11) == "00000000-0000-8000-8000-000000000011"
    assert len({bodies.message_uuid(number) for number in (1, 2, 2**40)}) == 3


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
