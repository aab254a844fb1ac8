"""A message is taken only as whoever has the key wrote it: for this purpose, with this address and this body."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer_service.settings import ConsumerSettings
from shared.amqp.publish_many import OutgoingMessage
from shared.amqp.publisher import persistent_message
from shared.amqp.signatures import SIGNATURE_HEADER, Purpose, Signatures, purpose_of
from shared.amqp.topology import CHUNK_KEY, DEAD_LETTERS_EXCHANGE, MALFORMED_KEY, REQUESTS_EXCHANGE, ROW_KEY
from shared.errors import MalformedMessage
from tests.support.pipeline import consumer_settings

KEY = "the first key of thirty-two letters"
OTHER_KEY = "another key of thirty-two letters"

texts = st.text(max_size=8)


@dataclass(frozen=True)
class Arrived:
    """What of a message is looked at, as the broker delivers it."""

    body: bytes
    reply_to: str | None
    correlation_id: str | None
    headers: dict[str, Any] = field(default_factory=dict)


def of(key: str = KEY, **own: str) -> Signatures:
    return Signatures(consumer_settings("postgresql://none", message_key=key, **own))


def sent(
    signatures: Signatures,
    body: bytes = b'{"kind":"text","text":"x"}',
    reply_to: str | None = "callback.1",
    correlation_id: str | None = "c",
    purpose: Purpose = Purpose.REQUEST,
) -> Arrived:
    outgoing: OutgoingMessage = signatures.sign(
        persistent_message(body, reply_to=reply_to, correlation_id=correlation_id), purpose
    )
    return Arrived(body, reply_to, correlation_id, dict(outgoing.properties.headers or {}))


def require(signatures: Signatures, message: Arrived, purpose: Purpose = Purpose.REQUEST) -> None:
    signatures.require(cast("AbstractIncomingMessage", message), purpose)


@given(st.binary(max_size=64), texts, texts, st.sampled_from(Purpose))
def test_what_was_signed_is_taken(body: bytes, reply_to: str, correlation_id: str, purpose: Purpose) -> None:
    require(of(), sent(of(), body, reply_to, correlation_id, purpose), purpose)


@given(
    st.tuples(st.binary(max_size=8), texts, texts, st.sampled_from(Purpose)),
    st.tuples(st.binary(max_size=8), texts, texts, st.sampled_from(Purpose)),
)
def test_no_signature_fits_another_message(
    one: tuple[bytes, str, str, Purpose], other: tuple[bytes, str, str, Purpose]
) -> None:
    if one == other:
        return
    headers = sent(of(), *one).headers
    with pytest.raises(MalformedMessage):
        require(of(), Arrived(*other[:3], headers), other[3])


def test_nothing_can_be_moved_from_one_part_into_the_next() -> None:
    signed = sent(of(), b"cde", "a", "b")
    for moved in (
        replace(signed, reply_to="ab", correlation_id=""),
        replace(signed, correlation_id="bc", body=b"de"),
        replace(signed, reply_to="", correlation_id="ab"),
    ):
        with pytest.raises(MalformedMessage):
            require(of(), moved)


@pytest.mark.parametrize("given", [None, "", "0" * 64, 7, b"bytes", ["list"], "ü" * 64, True])
def test_a_signature_of_any_other_form_is_refused(given: object) -> None:
    message = replace(sent(of()), headers={} if given is None else {SIGNATURE_HEADER: given})
    with pytest.raises(MalformedMessage) as refusal:
        require(of(), message)
    assert KEY not in str(refusal.value)


def test_while_unsigned_messages_are_accepted_a_wrong_signature_is_still_refused() -> None:
    lenient = of(unsigned_messages="accept")
    require(lenient, replace(sent(of()), headers={}))
    with pytest.raises(MalformedMessage):
        require(lenient, sent(of(OTHER_KEY)))


def test_the_first_of_several_keys_signs_and_all_are_known() -> None:
    both = of(f"{KEY}, {OTHER_KEY}")
    require(both, sent(of(OTHER_KEY)))
    require(of(), sent(both))
    with pytest.raises(MalformedMessage):
        require(of(OTHER_KEY), sent(both))


def test_without_a_key_all_is_as_before() -> None:
    assert sent(of("")).headers == {}
    require(of(""), sent(of("")))
    require(of(""), sent(of()))


def test_dead_letters_are_not_signed_except_the_chunks_among_them() -> None:
    assert purpose_of(DEAD_LETTERS_EXCHANGE, ROW_KEY) is None
    assert purpose_of(DEAD_LETTERS_EXCHANGE, MALFORMED_KEY) is None
    assert purpose_of(DEAD_LETTERS_EXCHANGE, CHUNK_KEY) is purpose_of(REQUESTS_EXCHANGE, "any") is Purpose.REQUEST


def test_a_key_that_is_too_short_is_refused_without_being_shown() -> None:
    with pytest.raises(ValidationError, match="openssl rand") as refusal:
        ConsumerSettings.model_validate({"database_url": "x", "amqp_url": "y", "message_key": f"{KEY},guessable"})
    assert "guessable" not in str(refusal.value)
