"""An id names one letter, and one letter has one id."""

from __future__ import annotations

import uuid

import pytest

from shared.dead_letters.identity import Letter, MalformedLetter, RowLetter, letter_id, letter_named

UPLOAD = uuid.UUID("6f2c6f4e-3b55-4c76-9a0d-5a3a9d2f6a10")


def test_ids_are_those_that_people_find_in_the_queue() -> None:
    assert letter_id(RowLetter(UPLOAD, 7, 2)) == f"{UPLOAD}:7:2"
    assert letter_id(MalformedLetter(UPLOAD)) == f"malformed:{UPLOAD}"


@pytest.mark.parametrize("letter", [RowLetter(UPLOAD, 1, 1), RowLetter(UPLOAD, 2**63 - 1, 7), MalformedLetter(UPLOAD)])
def test_a_letter_is_known_by_its_id(letter: Letter) -> None:
    assert letter_named(letter_id(letter)) == letter


@pytest.mark.parametrize(
    "identity",
    [
        "",
        ":::",
        "malformed:1",
        f"{UPLOAD}:1",
        f"{UPLOAD}:1:1:1",
        f"{UPLOAD}:0:1",
        f"{UPLOAD}:-1:1",
        f"{UPLOAD}:{2**63}:1",
        f"{UPLOAD}:1:{2**31}",
        f"{UPLOAD}:１:1",
        f"{str(UPLOAD).upper()}:1:1",
    ],
)
def test_what_is_no_letters_id_names_none(identity: str) -> None:
    assert letter_named(identity) is None
