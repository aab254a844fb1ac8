"""Templates come back as they were handed out: every header in them is one that is known."""

from __future__ import annotations

import codecs
import csv
import io

import pytest
from python_calamine import CalamineWorkbook

from api_service.uploads.templates import LANGUAGES, Language, header, template_csv, template_xlsx
from shared.rows.byte_check import ByteCheck
from shared.rows.fields import FIELD_NAMES, FIELDS
from shared.rows.format_judge import FormatOptions, judge_format

EXAMPLE = [field.example for field in FIELDS]


@pytest.mark.parametrize("language", [None, *LANGUAGES])
def test_template_is_read_with_each_field_in_its_own_column(language: Language | None) -> None:
    check = ByteCheck()
    check.update(template_csv(language))
    check.finish()
    found = judge_format(check, FormatOptions())
    assert dict(found.layout.columns) == {name: (at,) for at, name in enumerate(FIELD_NAMES)}
    assert found.delimiter == ("," if language in (None, "en") else ";")


@pytest.mark.parametrize("language", LANGUAGES)
def test_template_of_a_language_opens_in_its_excel(language: Language) -> None:
    content = template_csv(language)
    assert content.startswith(codecs.BOM_UTF8)
    delimiter = "," if language == "en" else ";"
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter))
    assert rows == [header(language), EXAMPLE]


def test_template_without_a_language_is_plain() -> None:
    assert template_csv().decode("ascii").splitlines()[0] == ",".join(FIELD_NAMES)


@pytest.mark.parametrize("language", [None, *LANGUAGES])
def test_workbook_has_the_same_rows_as_texts(language: Language | None) -> None:
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(template_xlsx(language)))
    assert workbook.get_sheet_by_index(0).to_python() == [header(language), EXAMPLE]
