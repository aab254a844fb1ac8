"""A corrected report goes back into its own upload: as spreadsheets save it, round by round, or not at all."""

from __future__ import annotations

import csv
import gzip
import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx2
import pytest
import xlsxwriter

from api_service.uploads.corrections import runner
from shared.amqp.topology import BULK_REQUESTS_QUEUE, DEAD_LETTERS_QUEUE
from shared.messages import CorrectionRequest, decode_request
from tests.integration.api_service.uploads.conftest import Process
from tests.support.broker import Broker
from tests.support.uploads import insert_rejects, insert_upload, stored_files
from tests.support.waiting import eventually

HEADER = ["Name", "Company", "Phone", "Email", "Note"]
GOOD = ["Zoë Lund", "Ålesund AS", "+47 22 55 01 01", "zoe@fjord.example", "first; second"]
BAD_PHONE = ['Søren "Sam" Bø', "Ålesund AS", "abc", "soren@fjord.example", "=1+1"]
BAD_EMAIL = ["Åse Dahl", "Fjord, Sons", "+47 22 55 01 03", "ase@fjord", "two\nlines"]
WIDE = ["Many", "Acme", "+47 22 55 01 04", "many@fjord.example", "x", "extra", "more"]
SHORT = ["Few", "Acme", "+47 22 55 01 05"]
MENDED = {"abc": "+47 22 55 01 02", "ase@fjord": "ase@fjord.example"}

Table = list[list[str]]
Json = dict[str, Any]


def written(rows: Table, delimiter: str = ",", encoding: str = "utf-8-sig") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


def workbook(rows: Table) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write(at, column, int(cell) if cell.isdecimal() and len(cell) < 4 else cell)
    return content.getvalue()


async def report_of(api: httpx2.AsyncClient, upload: Json) -> Table:
    content = (await api.get(f"/v1/uploads/{upload['id']}/rejects.csv")).content
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=upload["delimiter"]))


async def send(api: httpx2.AsyncClient, upload: Json, content: bytes, **fields: str) -> httpx2.Response:
    files = {"employee_data": ("rejects.csv", content)}
    return await api.post(f"/v1/uploads/{upload['id']}/corrections", files=files, data=fields)


async def corrected(api: httpx2.AsyncClient, upload: Json, content: bytes, **fields: str) -> Json:
    """The correction at its end."""
    answer = await send(api, upload, content, **fields)
    assert answer.status_code == 202, answer.text
    correction: Json = {}

    async def has_ended() -> bool:
        correction.update((await api.get(answer.headers["Location"])).json())
        return correction["finishedAt"] is not None

    await eventually(has_ended)
    assert correction["waiting"] == 0
    return correction


async def counts(api: httpx2.AsyncClient, upload: Json) -> tuple[Any, ...]:
    now = (await api.get(f"/v1/uploads/{upload['id']}")).json()
    return now["status"], now["inserted"], now["duplicates"], now["rejected"]


def mended(report: Table) -> Table:
    """With two rows that stay as they are."""
    return [[MENDED.get(cell, cell) for cell in row] for row in report]


def reordered(report: Table) -> Table:
    return [list(reversed(row)) for row in report]


def with_remarks(report: Table) -> Table:
    return [[*row, "checked by" if at == 0 else "Ann"] for at, row in enumerate(report)]


def shouted(report: Table) -> Table:
    return [[cell.upper().replace("_", " ") for cell in report[0]], *report[1:]]


def few_columns(report: Table) -> Table:
    wanted = [report[0].index(name) for name in ("Phone", "row_number", "Email")]
    return [[row[at] for at in wanted] for row in report]


@pytest.mark.parametrize(
    "saved",
    [
        lambda report: written(report),
        lambda report: written(report, ";", "cp1252"),
        lambda report: written(reordered(report), "\t", "utf-16"),
        lambda report: gzip.compress(written(with_remarks(report), "|")),
        lambda report: workbook(shouted(report)),
        lambda report: b"sep=;\n" + written(few_columns(report), ";", "utf-8"),
    ],
    ids=["as it was", "excel", "reordered", "remarks in gzip", "workbook", "few columns"],
)
async def test_report_that_was_saved_in_another_way_corrects_what_was_mended_and_nothing_else(
    process: Process, api: httpx2.AsyncClient, upload_store_url: str, saved: Callable[[Table], bytes]
) -> None:
    upload = await process(written([HEADER, GOOD, BAD_PHONE, BAD_EMAIL, SHORT], ";"))
    before = len(stored_files(upload_store_url))

    correction = await corrected(api, upload, saved(mended(await report_of(api, upload))))

    assert (correction["total"], correction["inserted"], correction["unchanged"]) == (2, 2, 1)
    assert correction["ignoredColumns"] in ([], ["checked by"])
    assert await counts(api, upload) == ("partially_succeeded", 3, 0, 1)
    assert len(stored_files(upload_store_url)) == before
    names = {each["employee_name"] for each in (await api.get("/v1/employees?limit=100")).json()["data"]}
    assert names == {"Zoë Lund", 'Søren "Sam" Bø', "Åse Dahl"}


async def test_rounds_of_corrections_end_with_a_succeeded_upload(
    process: Process, api: httpx2.AsyncClient, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LETTERS_PAUSE_SECONDS", 0.1)
    upload = await process(written([HEADER, GOOD, BAD_PHONE, BAD_EMAIL, WIDE, SHORT], ";"))
    first = await report_of(api, upload)

    again = await corrected(api, upload, written(first, ";"))
    assert (again["state"], again["total"], again["unchanged"]) == ("succeeded", 0, 4)

    # One goes in, one is as bad as before.
    typed = {"abc": "+47 22 55 01 02", "ase@fjord": "still wrong"}
    round_1 = [[typed.get(cell, cell) for cell in row] for row in first]
    one = await corrected(api, upload, written(round_1, ";"))
    assert (one["inserted"], one["rejected"], one["unchanged"]) == (1, 1, 2)
    report = await report_of(api, upload)
    assert "still wrong" in report[1]
    listed = (await api.get(f"/v1/uploads/{upload['id']}/rejects")).json()["data"]
    assert [(each["attempt"], each["originalCells"]) for each in listed] == [(2, BAD_EMAIL), (1, None), (1, None)]

    # The first report again: what went in is named, and who did not touch a row does not take it back.
    other = await corrected(api, upload, written(first, ";"))
    assert (other["noReject"], other["unchanged"], other["total"]) == (1, 3, 1)
    rows = (await api.get(f"/v1/uploads/{upload['id']}/corrections/{other['id']}/rows")).json()["data"]
    assert rows == [{"rowNumber": 2, "attempt": None, "outcome": "no_reject"}]

    at = {name: place for place, name in enumerate(report[0])}
    for row in report[1:]:
        row[at["surplus_cells"]] = ""
        row[at["Email"]] = "ase@fjord.example" if row[at["Email"]] == "still wrong" else row[at["Email"]]
        row[at["Email"]] = row[at["Email"]] or "zoe@fjord.example"
    last = await corrected(api, upload, written(report, ";"))
    assert (last["inserted"], last["duplicates"], last["total"]) == (2, 1, 3)
    assert await counts(api, upload) == ("succeeded", 4, 1, 0)
    await eventually(lambda: broker.has_ready(DEAD_LETTERS_QUEUE, 0))


async def finished_upload(database: asyncpg.Connection, rejects: int, **columns: Any) -> Json:
    upload_id = await insert_upload(
        database, status="partially_succeeded", rejected=rejects, rows_read=rejects + 1, **columns
    )
    cells = ["Asha Rao", "Initech", "+91 98765 43210", "nobody"]
    await insert_rejects(database, upload_id, [(number, cells) for number in range(1, rejects + 1)])
    return {"id": str(upload_id), "delimiter": ","}


async def test_file_that_cannot_be_right_is_told_why_and_nothing_is_done(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_store_url: str
) -> None:
    upload = await finished_upload(database, 3)
    before = len(stored_files(upload_store_url))
    line = "row_number,line_number,email\n1,2,a@example.com\n"
    refused = {
        f"{line}2,3,b@example.com\n2,3,c@example.com\n": ("line 4", "twice"),
        f"{line}99,100,b@example.com\n": ("line 3", "no row 99"),
        f"{line}two,3,b@example.com\n": ("line 3", "no number"),
        f"{line},3,b@example.com\n": ("line 3", "no number"),
        f"{line}2,7,b@example.com\n": ("line 3", "began on line 3"),
        f"{line}2,3,b@example.com,Inc\n": ("line 3", "more cells"),
        f'{line}2,3,"b@example.com\n': ("line 3", "quote"),
    }
    for content, (place, why) in refused.items():
        answer = await send(api, upload, content.encode())
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_corrections"), answer.text
        (error,) = answer.json()["errors"]
        assert (error["location"], why in error["detail"]) == (place, True), error
        assert "example.com" not in answer.text
    for content, code in {
        "employee_name,email\nAsha,a@example.com\n": "missing_columns",
        "row_number,remark\n1,x\n": "unknown_column",
        "row_number,line_number\n1,2\n": "missing_columns",
        "row_number,e-mail address,employee_name\n1,a@example.com,Asha\n": "unknown_column",
        "": "empty_file",
    }.items():
        answer = await send(api, upload, content.encode())
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert (await send(api, upload, line.encode(), onDuplicate="skip")).json()["code"] == "invalid_request"
    running = {"id": str(await insert_upload(database, status="running"))}
    purged = {"id": str(await insert_upload(database, status="failed", rejected=1))}
    for other, status, code in (
        (running, 409, "not_finished"),
        (purged, 410, "rejects_gone"),
        ({"id": uuid.uuid4()}, 404, "unknown_upload"),
    ):
        answer = await send(api, other, line.encode())
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await database.fetchval("SELECT count(*) FROM corrections") == 0
    assert await database.fetchval("SELECT count(*) FROM corrected_rows") == 0
    assert len(stored_files(upload_store_url)) == before


async def test_files_own_columns_with_the_reports_names_or_one_name_twice_are_told_apart(
    api: httpx2.AsyncClient, database: asyncpg.Connection, broker: Broker
) -> None:
    columns = ["row_number", "Phone", "Phone", "company_name", "employee_name", "email"]
    fields = {"employee_name": [4], "company_name": [3], "mobile_no": [2], "email": [5]}
    upload_id = await insert_upload(
        database,
        status="partially_succeeded",
        rejected=1,
        rows_read=1,
        columns=columns,
        field_columns=json.dumps(fields),
    )
    await insert_rejects(database, upload_id, [(1, ["7", "1", "2", "Initech", "Asha", "nobody"])])
    upload = {"id": str(upload_id), "delimiter": ","}
    report = await report_of(api, upload)
    report[1] = [{"2": "+91 98765 43210", "nobody": "a@example.com"}.get(cell, cell) for cell in report[1]]
    report[1][report[0].index("line_number", 6)] = "2"

    assert (await send(api, upload, written(report))).status_code == 202

    (message,) = await broker.take(BULK_REQUESTS_QUEUE, 1)
    request = decode_request(message.body)
    assert isinstance(request, CorrectionRequest)
    assert request.rows == [(1, 1, ["7", "1", "+91 98765 43210", "Initech", "Asha", "a@example.com"])]


@pytest.mark.fault(44)
async def test_many_rows_go_in_small_requests_a_window_at_a_time_and_can_be_stopped(
    api: httpx2.AsyncClient, broker: Broker, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "WINDOW_ROWS", 250)
    monkeypatch.setattr(runner, "RENEWALS_PER_LEASE", 1_000)
    # Nobody answers here, and what is sent is sent once.
    monkeypatch.setattr(runner, "RESEND_SECONDS", 1_000)
    upload = await finished_upload(database, 600)
    report = [["row_number", "email"], *([str(number), f"p{number}@example.com"] for number in range(1, 601))]
    answer = await send(api, upload, written(report))
    where = answer.headers["Location"]
    requests = [decode_request(each.body) for each in await broker.take(BULK_REQUESTS_QUEUE, 3)]
    assert [len(each.rows) for each in requests if isinstance(each, CorrectionRequest)] == [100, 100, 50]
    await database.execute("UPDATE corrected_rows SET outcome = 'inserted' WHERE row_number <= 250")
    await broker.take(BULK_REQUESTS_QUEUE, 3)

    assert (await api.delete(where)).json()["state"] == "cancelling"

    async def has_ended() -> bool:
        return (await api.get(where)).json()["finishedAt"] is not None

    await eventually(has_ended)
    ended = (await api.get(where)).json()
    assert (ended["state"], ended["inserted"], ended["cancelled"]) == ("cancelled", 250, 350)
    assert await broker.take_all(BULK_REQUESTS_QUEUE) == []


@pytest.mark.fault(44)
async def test_three_hundred_rejects_fold_back_into_their_upload_with_every_count_right(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    rows = [[f"P {number}", "Acme", f"+47 22 55 {number:04}", f"p{number}@fjord.example", ""] for number in range(2000)]
    for row in rows[::7]:
        row[3] = row[3].replace("@", " at ")
    for row in rows[3::140]:
        row[2] = "abc"
    bad = len(rows[::7]) + len(rows[3::140])
    assert bad >= 300
    upload = await process(written([HEADER, *rows]))
    assert await counts(api, upload) == ("partially_succeeded", 2000 - bad, 0, bad)

    report = await report_of(api, upload)
    saved = [[cell.replace(" at ", "@").replace("abc", "+47 22 55 99 99") for cell in row] for row in report]
    correction = await corrected(api, upload, written(saved, ";"))

    assert (correction["total"], correction["inserted"]) == (bad, bad)
    assert await counts(api, upload) == ("succeeded", 2000, 0, 0)
    ledger = "SELECT sum(inserted), sum(rejected), sum(row_count) FROM upload_chunks"
    assert tuple(await database.fetchrow(ledger) or ()) == (2000, 0, 2000)
    assert await database.fetchval("SELECT count(*) FROM rejected_rows") == 0
    totals = "SELECT (SELECT sum(total) FROM employee_totals), (SELECT count(*) FROM employees)"
    assert tuple(await database.fetchrow(totals) or ()) == (2000, 2000)
