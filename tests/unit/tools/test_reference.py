"""The reference of the API is that of the code: every address, form field, and field of a body."""

from __future__ import annotations

import pytest

from tools import reference


def test_the_page_has_what_the_services_say_of_themselves() -> None:
    page = reference.PAGE.read_text()
    assert reference.written(page) == page, "run `make reference`"


def test_a_page_without_a_passage_is_refused() -> None:
    with pytest.raises(ValueError, match="begin form"):
        reference.written("# The API\n")
