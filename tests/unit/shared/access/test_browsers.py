"""What a browser says of a request tells whether a page of another site sent it."""

from __future__ import annotations

import pytest

from shared.access.browsers import header_map, is_foreign, is_known_host, lacks_json, names_in

ORIGINS = names_in(" https://Tools.example , http://localhost:3000")
HOSTS = names_in("rollcall.example,")


def headers(**given: str) -> dict[bytes, bytes]:
    return {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in given.items()}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1:8000",
        "[::1]:8000",
        "10.1.2.3",
        "rollcall.example",
        "Rollcall.Example:80",
    ],
)
def test_our_names_and_addresses_in_numbers_are_known(host: str) -> None:
    assert is_known_host(headers(host=host), HOSTS)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "rollcall.example.evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example:8000",
        "localhost:x@evil.example",
        "",
        "[::1",
        "é",
    ],
)
def test_a_name_that_somebody_could_make_is_not(host: str) -> None:
    assert not is_known_host(headers(host=host), HOSTS)


def test_what_names_no_host_is_no_browser() -> None:
    assert is_known_host({}, HOSTS)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"host": "localhost:8000", "origin": "http://localhost:8000"},
        {"host": "localhost:8000", "origin": "http://localhost:8000", "sec_fetch_site": "same-origin"},
        {"host": "localhost:8000", "sec_fetch_site": "none"},
        {"host": "localhost:8000", "origin": "https://tools.example", "sec_fetch_site": "cross-site"},
        {"host": "localhost:8000", "origin": "http://localhost:3000", "sec_fetch_site": "same-site"},
    ],
)
def test_our_own_pages_allowed_ones_and_programs_are_not_foreign(given: dict[str, str]) -> None:
    assert not is_foreign(headers(**given), ORIGINS)


@pytest.mark.parametrize(
    "given",
    [
        {"host": "localhost:8000", "sec_fetch_site": "cross-site"},
        {"host": "localhost:8000", "sec_fetch_site": "same-site", "origin": "http://localhost:9999"},
        {"host": "localhost:8000", "origin": "http://evil.example"},
        {"host": "localhost:8000", "origin": "http://localhost:9999"},
        {"host": "localhost:8000", "origin": "null"},
        {"host": "localhost:8000", "origin": "http://tools.example"},
        {"origin": "http://localhost:8000"},
        {"host": "localhost:8000", "sec_fetch_site": "whatever"},
    ],
)
def test_other_pages_are(given: dict[str, str]) -> None:
    assert is_foreign(headers(**given), ORIGINS)


@pytest.mark.parametrize(
    ("given", "lacks"),
    [
        ({}, False),
        ({"content_length": "0"}, False),
        ({"content_length": "2"}, True),
        ({"transfer_encoding": "chunked"}, True),
        ({"content_length": "2", "content_type": "application/json"}, False),
        ({"content_length": "2", "content_type": "Application/JSON; charset=utf-8"}, False),
        ({"content_length": "2", "content_type": "application/merge-patch+json"}, False),
        ({"content_length": "2", "content_type": "text/plain; application/json"}, True),
        ({"content_length": "2", "content_type": "text/json"}, True),
        ({"transfer_encoding": "chunked", "content_type": "multipart/form-data"}, True),
    ],
)
def test_a_body_has_to_say_that_it_is_json(given: dict[str, str], lacks: bool) -> None:
    assert lacks_json(headers(**given)) is lacks


def test_of_a_header_that_comes_twice_the_first_counts() -> None:
    assert header_map([(b"host", b"a"), (b"host", b"b")]) == {b"host": b"a"}
