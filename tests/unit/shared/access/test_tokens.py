"""API keys can be recognized, told from what is none, and not guessed."""

from __future__ import annotations

import hashlib
import re

import pytest

from shared.access.tokens import KEY, SESSION, digest_of, id_in, is_damaged, new_token


def test_a_key_says_its_id_and_is_stored_as_a_digest() -> None:
    token = new_token(KEY)
    assert re.fullmatch(r"rc_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}", token.text)
    assert id_in(token.text, KEY) == token.id
    assert token.digest == hashlib.sha256(token.text.encode()).digest() == digest_of(token.text)
    assert not is_damaged(token.text)


def test_keys_have_nothing_in_common_and_use_the_whole_range() -> None:
    texts = [new_token(KEY).text for _ in range(400)]
    assert len({text.split("_")[1] for text in texts}) == len({text.split("_")[2] for text in texts}) == 400
    # 32 random bytes begin with many digits: 2**256 is 61 times 62**42.
    assert len({text.split("_")[2][0] for text in texts}) > 40


def test_a_session_is_no_key() -> None:
    session = new_token(SESSION)
    assert id_in(session.text, SESSION) == session.id
    assert id_in(session.text, KEY) is None


@pytest.mark.parametrize("position", [0, 3, 10, 16, 30, 58, 64])
def test_a_key_with_one_character_changed_is_damaged(position: int) -> None:
    text = new_token(KEY).text
    other = "0" if text[position] != "0" else "1"
    assert is_damaged(text[:position] + other + text[position + 1 :])


@pytest.mark.parametrize("text", ["", "rc_", "rc__", "Bearer x", "rc_\x00", "rc_" + "é" * 61, "rc_" + "a" * 10_000])
def test_what_is_no_key_is_damaged(text: str) -> None:
    assert is_damaged(text)
    assert id_in(text, KEY) is None


def test_a_key_with_something_behind_it_is_none() -> None:
    text = new_token(KEY).text
    assert id_in(f"{text}\n", KEY) is None
    assert id_in(f"{text}x", KEY) is None
