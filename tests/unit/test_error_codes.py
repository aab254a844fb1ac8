"""docs/codes.md has a paragraph for each code of a refused request or file, at the address that its errors say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from api_service.http.problems import FILE_MEANINGS, ProblemCode
from api_service.uploads.form_description import FILE_REFUSALS
from producer_service.problems import ProblemCode as ProducerCode
from shared.access.refusals import AccessCode
from shared.errors import FileCode
from shared.service.problem_document import address_of

PAGE: Final = Path(__file__).parents[2] / "docs" / "codes.md"
_FOUND: Final = re.findall(r"^### ([a-z_]+)\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
PARAGRAPHS: Final = {code: " ".join(text.split()) for code, text in _FOUND}
# The states in which an upload ends that was accepted, where they are not `failed`.
ENDS: Final = {
    FileCode.DRAFT_EXPIRED: "cancelled",
    FileCode.TOO_MANY_ABSENT: "partially_succeeded",
    FileCode.ABSENT_UNCLEAR: "partially_succeeded",
}


def first_words(code: ProblemCode | ProducerCode | AccessCode | FileCode) -> str:
    if not isinstance(code, FileCode):
        return f"Status {code.status}. {code.meaning}."
    if code in FILE_REFUSALS:
        return f"Status 422, or the `problem` of an upload. {FILE_MEANINGS[code]}."
    return f"The `problem` of a `{ENDS.get(code, 'failed')}` upload. {FILE_MEANINGS[code]}."


@pytest.mark.parametrize("code", [*ProblemCode, *ProducerCode, *AccessCode, *FileCode])
def test_every_code_has_its_cause_and_remedy(code: ProblemCode | ProducerCode | AccessCode | FileCode) -> None:
    text = PARAGRAPHS.get(code.value)
    assert text is not None, f"docs/codes.md lacks a paragraph under `### {code.value}`: {first_words(code)}"
    assert text.startswith(first_words(code))
    assert re.search(r"\*\*Cause\.\*\* \S.*\*\*Remedy\.\*\* \S", text)


def test_no_code_is_explained_that_is_gone() -> None:
    assert set(PARAGRAPHS) == {code.value for code in (*ProblemCode, *ProducerCode, *AccessCode, *FileCode)}


def test_the_type_of_an_error_is_the_address_of_its_paragraph() -> None:
    assert address_of("not_csv") == "/guide/codes#not_csv"
    assert address_of("not_csv", "/rollcall/") == "/rollcall/guide/codes#not_csv"
