"""The references are those of the code: every address, form field, field of a body, subcommand and option."""

from __future__ import annotations

import pytest

from tools import command_reference, reference


@pytest.mark.slow
def test_the_page_has_what_the_services_say_of_themselves() -> None:
    page = reference.PAGE.read_text()
    assert reference.written(page) == page, "run `make reference`"


def test_every_subcommand_and_option_is_documented() -> None:
    page = command_reference.PAGE.read_text()
    assert command_reference.written(page) == page, "run `make reference`"


@pytest.mark.slow
def test_a_page_without_a_passage_is_refused() -> None:
    with pytest.raises(ValueError, match="begin form"):
        reference.written("# The API\n")
