"""What a cell shows is what is read, where the library would say something else."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from api_service.uploads.unpacking.seen_texts import as_seen
from api_service.uploads.unpacking.sheet_rows import rows_of
from api_service.uploads.unpacking.workbooks import CONVERTER
from tests.support.servers import CHECKOUT
from tests.support.workbooks import ods, xlsx


def rows(content: bytes, kind: str) -> list[list[str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        seen = as_seen(archive, kind)
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(seen or content))
    return list(rows_of(workbook.get_sheet_by_index(0), "\u2028"))


def formatted(number: float, code: str) -> Any:
    def write(sheet: Any, row: int, column: int, workbook: Any) -> None:
        sheet.write_number(row, column, number, workbook.add_format({"num_format": code, "bold": True}))

    return write


@pytest.mark.parametrize(
    ("number", "code", "read"),
    [
        (791234567, "0000000000", "0791234567"),
        (791234567, "000 000 00 00", "0791234567"),
        (791234567, "0000-000000;@", "0791234567"),
        (447911123456, "+0", "+447911123456"),
        (447911123456, '"+"0', "+447911123456"),
        (447911123456, "\\+00 0000 000000", "+447911123456"),
        (17, "00000", "00017"),
        (791234567, "0", "791234567"),
        (791234567, "#,##0", "791234567"),
        (791234567, "General", "791234567"),
        (12, "0.00", "12"),
        (5555550100, "[<=9999999]###-####;(###) ###-####", "5555550100"),
        (0.5, "0%", "0.5"),
    ],
)
def test_number_has_the_zeros_and_the_plus_that_its_format_shows(number: float, code: str, read: str) -> None:
    content = xlsx(("A", [["x", formatted(number, code), 791234567, "0791"]]))
    assert rows(content, "xlsx") == [["x", read, "791234567", "0791"]]


def error(sheet: Any, row: int, column: int, _: Any) -> None:
    sheet.write_formula(row, column, "=NA()", None, "#N/A")


def test_error_is_a_text_wherever_it_stands() -> None:
    content = xlsx(("A", [["x", error, 1], [formatted(7, "000"), "y", error]] * 3000))
    assert rows(content, "xlsx") == [["x", "#N/A", "1"], ["007", "y", "#N/A"]] * 3000


def test_cells_of_a_prefixed_namespace_are_known_too() -> None:
    plain = xlsx(("A", [["x", error, formatted(7, "000")]]))
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain)) as source, zipfile.ZipFile(content, "w") as target:
        for name in source.namelist():
            text = source.read(name).decode()
            if name.startswith("xl/worksheets/"):
                text = text.replace("</", "</x:").replace("<", "<x:").replace("<x:/x:", "</x:").replace("<x:?", "<?")
                text = text.replace("xmlns=", "xmlns:x=")
            target.writestr(name, text)
    assert rows(content.getvalue(), "xlsx") == [["x", "#N/A", "007"]]


def test_workbook_without_such_cells_is_left_as_it_is() -> None:
    with zipfile.ZipFile(io.BytesIO(xlsx(("A", [["x", 1, formatted(7, "0.00")]])))) as archive:
        assert as_seen(archive, "xlsx") is None


def number(value: str, seen: str) -> str:
    return (
        f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{seen}</text:p></table:table-cell>'
    )


def test_cells_of_an_ods_are_read_as_they_are_seen() -> None:
    broken = (
        '<table:table-cell office:value-type="string" office:string-value="" calcext:value-type="error">'
        "<text:p>#N/A</text:p></table:table-cell>"
    )
    row = [number("791234567", "0791234567"), number("447911", "+447911"), number("5", "5"), number("5", "0,5"), broken]
    assert rows(ods([["x", *row]]), "ods") == [["x", "0791234567", "+447911", "5", "5", "#N/A"]]


def test_converter_loads_nothing_of_ours_but_its_own_parts() -> None:
    said = f"import sys, {CONVERTER}; print(*sorted(name for name in sys.modules if name.split('.')[0] in "
    said += "('api_service', 'shared', 'fastapi', 'sqlalchemy')))"
    loaded = subprocess.run([sys.executable, "-c", said], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    package = CONVERTER.rpartition(".")[0]
    parts = [f"{package}.{name}" for name in ("converter", "seen_texts", "sheet_rows")]
    assert set(loaded.stdout.split()) == {"api_service", "api_service.uploads", package, *parts}
