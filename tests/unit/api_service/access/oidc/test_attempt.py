"""The cookie of a sign-in that was begun: opened as it was sealed, or not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api_service.access.oidc.attempt import SECONDS, begin, opened, sealed

SECRET = "the-secret-of-a-client"


def test_it_is_opened_as_it_was_sealed_until_its_time_is_over() -> None:
    attempt = begin("/employees?searchTerm=ü", now=1000)
    text = sealed(attempt, SECRET)
    assert opened(text, SECRET, now=1000 + SECONDS - 1) == attempt
    assert opened(text, SECRET, now=1000 + SECONDS) is None


def test_no_two_are_alike_in_anything_that_has_to_be_guessed() -> None:
    one, two = begin("", now=0), begin("", now=0)
    words = [one.state, one.nonce, one.code_verifier, two.state, two.nonce, two.code_verifier]
    assert len(set(words)) == 6
    # RFC 7636, 4.1.
    assert all(43 <= len(word) <= 128 for word in words)


def test_another_secret_opens_nothing() -> None:
    assert opened(sealed(begin("", now=0), SECRET), f"{SECRET}!", now=1) is None


@given(st.text(max_size=60))
def test_what_somebody_made_up_is_none(text: str) -> None:
    assert opened(text, SECRET, now=0) is None


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_a_changed_one_is_none(position: int, character: str) -> None:
    text = sealed(begin("/", now=0), SECRET)
    at = position % len(text)
    changed = text[:at] + character + text[at + 1 :]
    assert changed == text or opened(changed, SECRET, now=1) is None


def test_the_longest_fits_into_a_cookie() -> None:
    assert len(sealed(begin("/" + "x" * 999, now=0), SECRET)) < 3000
    assert begin("/" + "x" * 1000, now=0).then == ""
