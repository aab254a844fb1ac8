"""A report of rejects, mended and uploaded again: each row is taken once, and the reasons are nobody's data."""

from __future__ import annotations

import csv
import io
from typing import Any

import asyncpg
import httpx2
import pytest

from tests.integration.api_service.uploads.conftest import Process

ERROR_COLUMNS = ["row_number", "line_number", "error_code", "error_field", "error_message"]
HEADER = ["Name", "Company", "Phone", "Email", "Note"]
GOOD = ["Zoë Lund", "Ålesund AS", "+47 22 55 01 01", "zoe@fjord.example", "first; second"]
BAD_PHONE = ['Søren "Sam" Bø', "Ålesund AS", "abc", "soren@fjord.example", "=1+1"]
BAD_EMAIL = ["Åse Dahl", "Fjord, Sons", "+47 22 55 01 03", "ase@fjord", "two\nlines"]
SHORT = ["Few", "Acme", "+47 22 55 01 05"]
MENDED = {"abc": "+47 22 55 01 02", "ase@fjord": "ase@fjord.example"}


def written(rows: list[list[str]], delimiter: str, encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


async def report_of(api: httpx2.AsyncClient, upload: dict[str, Any]) -> tuple[bytes, list[list[str]]]:
    content = (await api.get(f"/v1/uploads/{upload['id']}/rejects.csv")).content
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return content, list(csv.reader(text, delimiter=upload["delimiter"]))


async def employees(database: asyncpg.Connection) -> set[tuple[str, ...]]:
    query = "SELECT employee_name, company_name, mobile_no, email FROM employees"
    return {tuple(row) for row in await database.fetch(query)}


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "cp1252"), (",", "utf-8"), ("\t", "utf-16"), ("|", "utf-8-sig")]
)
async def test_mended_report_brings_in_each_row_once(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection, delimiter: str, encoding: str
) -> None:
    first = await process(written([HEADER, GOOD, BAD_PHONE, BAD_EMAIL, SHORT], delimiter, encoding))
    assert (first["inserted"], first["rejected"], first["delimiter"]) == (1, 3, delimiter)

    _, report = await report_of(api, first)
    assert report[0] == [*HEADER, *ERROR_COLUMNS]
    assert [row[0] for row in report[1:]] == [BAD_PHONE[0], BAD_EMAIL[0], SHORT[0]]
    mended = [[MENDED.get(cell, cell) for cell in row] for row in report]
    second = await process(written(mended, delimiter, "utf-8-sig"))

    assert second["columns"] == HEADER
    assert (second["inserted"], second["duplicates"], second["rejected"]) == (2, 0, 1)
    assert await employees(database) == {
        ("Zoë Lund", "Ålesund AS", "+4722550101", "zoe@fjord.example"),
        ('Søren "Sam" Bø', "Ålesund AS", "+4722550102", "soren@fjord.example"),
        ("Åse Dahl", "Fjord, Sons", "+4722550103", "ase@fjord.example"),
    }
    _, left = await report_of(api, second)
    assert left[0] == [*HEADER, *ERROR_COLUMNS]
    assert left[1][:6] == [*SHORT, "", "", "3"]
    (listed,) = (await api.get(f"/v1/uploads/{second['id']}/rejects")).json()["data"]
    assert listed["cells"] == [*SHORT, "", ""]


async def test_report_that_comes_back_as_it_is_gives_the_same_report(process: Process, api: httpx2.AsyncClient) -> None:
    wide = ["Many", "Acme", "12", "many@fjord.example", "x", "extra", "=1+1;2"]
    upload = await process(written([HEADER, BAD_PHONE, wide, BAD_EMAIL], ";"))
    content, report = await report_of(api, upload)
    assert "surplus_cells" in report[0]
    again = await process(content)
    assert again["columns"] == [*HEADER, "surplus_cells"]
    _, repeated = await report_of(api, again)

    places = [at for at, name in enumerate(report[0]) if name not in ("row_number", "line_number")]
    codes = report[0].index("error_code")
    assert [[row[at] for at in places if at < codes] for row in repeated] == [
        [row[at] for at in places if at < codes] for row in report
    ]


async def test_row_that_grew_wider_in_its_report_loses_no_cell(process: Process, api: httpx2.AsyncClient) -> None:
    wide = ["Many", "Acme", "12", "many@fjord.example", "x", "extra"]
    upload = await process(written([HEADER, wide], ";"))
    _, report = await report_of(api, upload)
    report[1].append("typed beside it")
    again = await process(written(report, ";"))
    _, repeated = await report_of(api, again)

    assert repeated[0] == report[0]
    assert repeated[1][report[0].index("surplus_cells")] == "extra;typed beside it"
