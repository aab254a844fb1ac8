"""Workbooks are read as their authors see them, row by row, or refused with what to do."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import datetime
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg
import httpx2
import psutil
import pytest

from api_service.settings import ApiSettings
from api_service.uploads.unpacking.workbooks import CONVERTER
from tests.integration.api_service.uploads.conftest import Process
from tests.support.api import api_settings, running_api
from tests.support.uploads import SMALL_CSV, send, stored_files
from tests.support.waiting import eventually
from tests.support.workbooks import ods, ole2_with, slow_xlsx, xls, xlsx, zipped

HEADER = ["employee_name", "company_name", "mobile_no", "email"]
ASHA = ["Asha Rao", "Initech", 919876543210, "asha@example.com"]


def read(upload_store_url: str) -> list[list[str]]:
    """What the pipeline reads of the one upload there is."""
    (twin,) = (path for path in stored_files(upload_store_url) if path.name.endswith(".csv"))
    return list(csv.reader(io.StringIO(twin.read_text(), newline="")))


def error(sheet: Any, row: int, column: int, _: Any) -> None:
    sheet.write_formula(row, column, "=NA()", None, "#N/A")


def formula(sheet: Any, row: int, column: int, _: Any) -> None:
    sheet.write_formula(row, column, '=A2&"@x"', None, "asha@x.example")


def date(sheet: Any, row: int, column: int, workbook: Any) -> None:
    sheet.write_datetime(row, column, datetime.date(2026, 11, 25), workbook.add_format({"num_format": "dd.mm.yyyy"}))


def percent(sheet: Any, row: int, column: int, workbook: Any) -> None:
    sheet.write_number(row, column, 0.5, workbook.add_format({"num_format": "0%"}))


def merged_down(sheet: Any, row: int, column: int, _: Any) -> None:
    sheet.merge_range(row, column, row + 1, column, "Initech")


async def test_workbook_is_brought_in_and_its_rejects_have_the_rows_of_the_sheet(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    rows = [
        HEADER,
        ASHA,
        [],
        ["Zoë\nLund", "Ålesund, AS", "+47 22 55 01 01", "zoe@fjord.example"],
        ["Bad\nPhone", "Acme", error, "bad@example.com"],
        ["Exponent", "Acme", 4.4e20, "exponent@example.com"],
    ]
    content = xlsx(("Staff", rows))
    upload = await process(content, filename="staff.xlsx")

    assert (upload["convertedFrom"], upload["sheet"], upload["inserted"], upload["rejected"]) == ("xlsx", "Staff", 2, 2)
    query = "SELECT employee_name, company_name, mobile_no, email FROM employees ORDER BY id"
    assert [tuple(row) for row in await database.fetch(query)] == [
        ("Asha Rao", "Initech", "919876543210", "asha@example.com"),
        ("Zoë Lund", "Ålesund, AS", "+4722550101", "zoe@fjord.example"),
    ]
    listed = (await api.get(f"/v1/uploads/{upload['id']}/rejects")).json()["data"]
    assert [(each["lineNumber"], each["cells"]) for each in listed] == [
        (5, ["Bad\nPhone", "Acme", "#N/A", "bad@example.com"]),
        (6, ["Exponent", "Acme", "440000000000000000000", "exponent@example.com"]),
    ]
    report = await api.get(f"/v1/uploads/{upload['id']}/rejects.csv")
    assert "rejects of staff.xlsx.csv" in report.headers["Content-Disposition"]
    again = await process(report.content.replace(b"#N/A", b"12345678").replace(b"440000000000000000000", b"1234567"))
    assert (again["inserted"], again["rejected"]) == (2, 0)


async def test_cells_are_written_as_they_are_seen(api: httpx2.AsyncClient, upload_store_url: str) -> None:
    rows = [
        [*HEADER, "a", "b", "c", "d", "e"],
        [*ASHA, date, percent, True, error, formula],
        ["x", merged_down, 0.1 + 0.2, 1e-7, 12345678901234],
        ["y", None, -5, "=1+1", "0123"],
        [],
        ["z"],
    ]
    upload = (await send(api, xlsx(("Staff", rows)))).json()
    assert read(upload_store_url) == [
        [*HEADER, "a", "b", "c", "d", "e"],
        [
            "Asha Rao",
            "Initech",
            "919876543210",
            "asha@example.com",
            "2026-11-25",
            "0.5",
            "TRUE",
            "#N/A",
            "asha@x.example",
        ],
        ["x", "Initech", "0.3", "0.0000001", "12345678901234", "", "", "", ""],
        ["y", "Initech", "-5", "=1+1", "0123", "", "", "", ""],
        [],
        ["z", "", "", "", "", "", "", "", ""],
    ]
    assert upload["columns"] == [*HEADER, "a", "b", "c", "d", "e"]


async def test_upload_tells_of_the_file_that_was_sent_and_gives_it_back(
    api: httpx2.AsyncClient, upload_store_url: str
) -> None:
    content = xlsx(("Staff", [HEADER, ASHA]))
    upload = (await send(api, content, filename="staff.xlsx")).json()
    assert (upload["bytes"], upload["filename"]) == (len(content), "staff.xlsx")
    file = await api.get(f"/v1/uploads/{upload['id']}/file")
    assert file.content == content
    assert file.headers["Content-Type"].endswith("spreadsheetml.sheet")
    assert len(stored_files(upload_store_url)) == 2


async def test_deleted_upload_leaves_neither_file(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_store_url: str
) -> None:
    upload = (await send(api, xlsx(("Staff", [HEADER, ASHA])))).json()
    await database.execute("UPDATE uploads SET status = 'succeeded', finished_at = now()")
    assert (await api.delete(f"/v1/uploads/{upload['id']}")).status_code == 204
    assert stored_files(upload_store_url) == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (xls([HEADER, ["Zoë", "Acme", 447911123456.0, "zoe@example.com"]]), "xls"),
        (
            ods(
                [
                    HEADER,
                    [
                        "Zoë",
                        "Acme",
                        '<table:table-cell office:value-type="float" office:value="447911123456"/>',
                        "zoe@example.com",
                    ],
                ]
            ),
            "ods",
        ),
    ],
)
async def test_other_forms_of_workbooks_are_read_alike(
    api: httpx2.AsyncClient, upload_store_url: str, content: bytes, kind: str
) -> None:
    answer = await send(api, content, filename="no name tells")
    assert (answer.status_code, answer.json().get("convertedFrom")) == (202, kind), answer.text
    assert read(upload_store_url) == [HEADER, ["Zoë", "Acme", "447911123456", "zoe@example.com"]]


async def test_error_in_an_ods_is_no_empty_cell(api: httpx2.AsyncClient, upload_store_url: str) -> None:
    cell = (
        '<table:table-cell office:value-type="string" office:string-value="" calcext:value-type="error">'
        "<text:p>#N/A</text:p></table:table-cell>"
    )
    assert (await send(api, ods([HEADER, ["Zoë", "Acme", cell, "zoe@example.com"]]))).status_code == 202
    assert read(upload_store_url)[1][2] == "#N/A"


SHEETS: Final[tuple[tuple[str, Sequence[Any]], ...]] = (
    ("Old", [["gone"]]),
    ("Notes", [["about"]]),
    ("Staff 2026", [HEADER, ASHA]),
    ("Leer", []),
)


@pytest.mark.parametrize("wanted", ["Staff 2026", "staff 2026 ", "3"])
async def test_sheet_can_be_said_by_name_and_number(api: httpx2.AsyncClient, wanted: str) -> None:
    answer = await send(api, xlsx(*SHEETS, hidden=["Old"]), sheet=wanted)
    assert (answer.status_code, answer.json().get("sheet")) == (202, "Staff 2026"), answer.text


async def test_first_sheet_that_is_shown_is_taken(api: httpx2.AsyncClient) -> None:
    sheets = (SHEETS[2], SHEETS[0])
    shown = xlsx(("First", [HEADER, ASHA, ASHA]), *sheets)
    assert (await send(api, shown)).json()["sheet"] == "First"
    hidden = xlsx(*sheets, hidden=["Old"])
    assert (await send(api, hidden)).json()["sheet"] == "Staff 2026"


@pytest.mark.parametrize(
    ("content", "fields", "code", "said"),
    [
        (xlsx(*SHEETS), {"sheet": "Nobody"}, "unknown_sheet", "“Staff 2026”"),
        (xlsx(*SHEETS), {"sheet": "5"}, "unknown_sheet", "“Staff 2026”"),
        (xlsx(*SHEETS), {"sheet": "Leer"}, "empty_file", "“Leer” is empty"),
        (xlsx(*SHEETS), {}, "missing_columns", "gone"),
        (xlsx(*SHEETS), {"delimiter": ";"}, "invalid_request", "leave out delimiter"),
        (xlsx(*SHEETS), {"encoding": "cp1252"}, "invalid_request", "leave out encoding"),
        (SMALL_CSV, {"sheet": "Staff"}, "invalid_request", "leave out sheet"),
        (ole2_with("EncryptedPackage"), {}, "damaged_file", "password"),
        (ole2_with("WordDocument"), {}, "not_csv", "an old Office document"),
        (zipped({"Index/Document.iwa": "x"}), {}, "not_csv", "Numbers"),
        (zipped({"word/document.xml": "x"}), {}, "not_csv", "Word"),
        (zipped({"staff.csv": "x"}), {}, "not_csv", "a zip archive"),
        (xlsx(*SHEETS)[:-300], {}, "damaged_file", "damaged"),
    ],
)
async def test_workbook_that_cannot_be_read_is_refused_with_the_reason_and_nothing_is_kept(
    api: httpx2.AsyncClient,
    database: asyncpg.Connection,
    upload_store_url: str,
    content: bytes,
    fields: dict[str, str],
    code: str,
    said: str,
) -> None:
    answer = await send(api, content, **fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert said in answer.json()["detail"]
    assert stored_files(upload_store_url) == []
    assert await database.fetchval("SELECT count(*) FROM uploads") == 0


async def test_same_key_with_the_same_workbook_is_the_same_upload_and_with_another_sheet_is_not(
    api: httpx2.AsyncClient, upload_store_url: str
) -> None:
    content = xlsx(("A", [HEADER, ASHA]), ("B", [HEADER]))
    first = await send(api, content, key="payroll")
    again = await send(api, content, key="payroll")
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 200, first.json()["id"])
    other = await send(api, content, key="payroll", sheet="B")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(stored_files(upload_store_url)) == 2


@pytest.fixture
async def strict_api(settings: ApiSettings) -> AsyncIterator[httpx2.AsyncClient]:
    limits = {"max_workbook_bytes": 20_000, "workbook_memory_bytes": 64 << 20, "workbook_wait_seconds": 0.2}
    async with running_api(settings.model_copy(update=limits)) as client:
        yield client


async def test_workbook_beyond_the_limits_is_refused_and_the_next_one_is_read(
    strict_api: httpx2.AsyncClient, upload_store_url: str
) -> None:
    large = xlsx(("A", [[f"{number * 7919 % 1_000_003}" for number in range(12_000)]]))
    assert len(large) > 20_000
    answer = await send(strict_api, large)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large"), answer.text

    far_apart = xlsx(("A", [HEADER, *[[]] * 199_999, [*[None] * 16_000, "x"]]))
    answer = await send(strict_api, far_apart)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_large_unpacked"), answer.text
    assert (await send(strict_api, xlsx(("A", [HEADER, ASHA])))).status_code == 202
    assert len(stored_files(upload_store_url)) == 2


async def test_sheet_of_gigabytes_is_refused(api: httpx2.AsyncClient) -> None:
    bomb = zipped({"[Content_Types].xml": "<x/>", "xl/workbook.xml": " " * (3 << 20)})
    answer = await send(api, bomb)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_large_unpacked"), answer.text


def converters() -> list[psutil.Process]:
    found = []
    for each in psutil.Process().children(recursive=True):
        # One that has just ended, whether somebody has asked for its status or not.
        with contextlib.suppress(psutil.NoSuchProcess):
            if CONVERTER in each.cmdline():
                found.append(each)
    return found


async def held_converter() -> psutil.Process:
    """Of the one workbook that is being read: it gets no further until it is resumed."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        found[:] = converters()
        return len(found) == 1

    await eventually(is_there)
    found[0].suspend()
    return found[0]


@pytest.fixture
def slow_workbook() -> bytes:
    return slow_xlsx()


async def test_workbooks_wait_for_their_turn_and_are_told_to_come_back(
    database_url: str, amqp_url: str, upload_store_url: str, slow_workbook: bytes
) -> None:
    settings = api_settings(database_url, amqp_url, upload_store_url, workbook_wait_seconds=0.1)
    async with running_api(settings) as api:
        first = asyncio.create_task(send(api, slow_workbook))
        converter = await held_converter()
        answer = await send(api, xlsx(("A", [HEADER, ASHA])))
        assert (answer.status_code, answer.json()["code"]) == (503, "conversion_busy")
        assert int(answer.headers["Retry-After"]) > 0
        assert (await api.get("/livez")).status_code == 200
        converter.resume()
        await first
        assert (await send(api, xlsx(("A", [HEADER, ASHA])))).status_code == 202


async def test_workbook_that_takes_too_long_is_refused_and_its_process_ended(
    database_url: str, amqp_url: str, upload_store_url: str, slow_workbook: bytes
) -> None:
    settings = api_settings(database_url, amqp_url, upload_store_url, workbook_seconds=0.5)
    async with running_api(settings) as api:
        answer = await send(api, slow_workbook)
        assert (answer.status_code, answer.json()["code"]) == (422, "too_large_unpacked"), answer.text
        assert converters() == []
        assert stored_files(upload_store_url) == []


async def test_client_that_hangs_up_ends_the_process_that_reads_its_workbook(
    database_url: str, amqp_url: str, upload_store_url: str, slow_workbook: bytes
) -> None:
    async with running_api(api_settings(database_url, amqp_url, upload_store_url)) as api:
        sending = asyncio.create_task(send(api, slow_workbook))
        await held_converter()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await eventually(lambda: converters() == [] and stored_files(upload_store_url) == [])


async def test_no_cell_reaches_a_log(api: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "Secretname"
    contents = [
        xlsx((secret, [[secret]])),
        xlsx(("A", [HEADER, [secret, secret, 1e300, secret]])),
        xls([[secret]]),
        xlsx(("A", [[secret]]))[:-200],
    ]
    for content in contents:
        await send(api, content, filename="a.xlsx")
    out, err = capfd.readouterr()
    assert secret not in out + err
