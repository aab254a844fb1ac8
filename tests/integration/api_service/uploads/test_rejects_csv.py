"""The rows of an upload that were rejected: as a list, and as a report to correct and send again."""

from __future__ import annotations

import asyncio
import codecs
import csv
import io
import json

import asyncpg
import httpx2
import pytest

from api_service.uploads.rejects_csv import BATCH_ROWS
from shared.rows.fields import FIELD_NAMES
from tests.support.uploads import insert_rejects, insert_upload, send

ERROR_COLUMNS = ["row_number", "line_number", "error_code", "error_field", "error_message"]
MESSAGE = "email must look like name@example.com."


async def report(api: httpx2.AsyncClient, upload_id: object, *, delimiter: str = ",") -> list[list[str]]:
    answer = await api.get(f"/v1/uploads/{upload_id}/rejects.csv")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(codecs.BOM_UTF8)
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=delimiter))


async def test_rejects_are_listed_by_the_code_of_their_first_fault(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database, rejected=7)
    await insert_rejects(database, upload_id, [(number, ["a", "b", "c", "d"]) for number in range(1, 8)])
    await database.execute("UPDATE rejected_rows SET code = 'invalid_mobile' WHERE row_number % 2 = 0")
    found: list[int] = []
    page = (await api.get(f"/v1/uploads/{upload_id}/rejects?code=invalid_mobile&limit=2")).json()
    while True:
        assert page["totalData"] in (3, None)
        found += [reject["rowNumber"] for reject in page["data"]]
        if page["nextCursor"] is None:
            break
        query = {"code": "invalid_mobile", "limit": "2", "cursor": page["nextCursor"]}
        page = (await api.get(f"/v1/uploads/{upload_id}/rejects", params=query)).json()
    assert found == [2, 4, 6]
    assert (await api.get(f"/v1/uploads/{upload_id}/rejects?code=nonsense")).status_code == 422
    shown = (await api.get(f"/uploads/{upload_id}/rejects?code=invalid_mobile")).text
    assert shown.count("data-row=") == 3
    assert "for this" in (await api.get(f"/uploads/{upload_id}/rejects?code=poison_row")).text


async def test_rejects_are_listed_in_file_order(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    upload_id = await insert_upload(database, status="running")
    await insert_rejects(database, upload_id, [(number, ["a", "b", "c", "d"]) for number in (30, 10, 20)])
    await insert_rejects(database, await insert_upload(database), [(5, ["another upload's"])])
    first = (await api.get(f"/v1/uploads/{upload_id}/rejects?limit=2")).json()
    assert first["data"][0] == {
        "rowNumber": 10,
        "lineNumber": 11,
        "code": "invalid_email",
        "field": "email",
        "message": MESSAGE,
        "faults": [{"code": "invalid_email", "field": "email", "message": MESSAGE}],
        "cells": ["a", "b", "c", "d"],
        "originalCells": None,
        "attempt": 1,
        "deletedAt": None,
    }
    assert (first["totalData"], first["totalPages"], first["totalIsEstimate"]) == (3, 2, False)
    second = (await api.get(f"/v1/uploads/{upload_id}/rejects?limit=2&cursor={first['nextCursor']}")).json()
    assert [reject["rowNumber"] for reject in second["data"]] == [30]
    assert (await api.get(f"/v1/uploads/{upload_id}/rejects?limit=2&page=2")).json()["data"] == second["data"]


async def test_all_faults_of_a_row_are_listed_and_joined_in_the_report(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database)
    await insert_rejects(database, upload_id, [(1, ["a", "b", "c", "d"])])
    others = [
        {"code": "wrong_column_count", "field": None, "message": "Too many."},
        {"code": "invalid_mobile", "field": "mobile_no", "message": "Too short."},
    ]
    await database.execute("UPDATE rejected_rows SET other_faults = $1", json.dumps(others))
    (listed,) = (await api.get(f"/v1/uploads/{upload_id}/rejects")).json()["data"]
    assert listed["faults"] == [{"code": "invalid_email", "field": "email", "message": MESSAGE}, *others]
    assert (listed["code"], listed["field"], listed["message"]) == ("invalid_email", "email", MESSAGE)
    assert (await report(api, upload_id))[1][-3:] == [
        "invalid_email | wrong_column_count | invalid_mobile",
        "email |  | mobile_no",
        f"{MESSAGE} | Too many. | Too short.",
    ]


async def test_an_upload_without_rejects_has_an_empty_list_and_a_header(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database)
    assert (await api.get(f"/v1/uploads/{upload_id}/rejects")).json()["data"] == []
    assert await report(api, upload_id) == [[*FIELD_NAMES, *ERROR_COLUMNS]]


async def test_more_rejects_than_are_worth_counting_are_estimated_while_the_upload_runs(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database, status="running", rejected=9_000)
    await insert_rejects(database, upload_id, [(number, []) for number in range(1, 10_101)])
    running = (await api.get(f"/v1/uploads/{upload_id}/rejects")).json()
    assert (running["totalData"], running["totalIsEstimate"]) == (10_001, True)
    await database.execute("UPDATE uploads SET status = 'partially_succeeded', rejected = 10100")
    finished = (await api.get(f"/v1/uploads/{upload_id}/rejects")).json()
    assert (finished["totalData"], finished["totalIsEstimate"]) == (10_100, False)


async def test_the_report_has_all_columns_of_the_file_then_the_reason(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    columns = ["Remarks", "name", "company", "phone", "mail"]
    upload_id = await insert_upload(database, columns=columns)
    await insert_rejects(database, upload_id, [(2, ["two\nlines", 'a "b"', "c", "d", "e"]), (1, ["1", "2", "3", "4"])])
    assert await report(api, upload_id) == [
        [*columns, *ERROR_COLUMNS],
        ["1", "2", "3", "4", "", "1", "2", "invalid_email", "email", MESSAGE],
        ["two\nlines", 'a "b"', "c", "d", "e", "2", "3", "invalid_email", "email", MESSAGE],
    ]


async def test_cells_beyond_the_last_column_are_kept_before_the_reason(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database)
    await insert_rejects(database, upload_id, [(1, ["a", "b", "c", "d", "e", "f,g"]), (2, ["a", "b", "c", "d"])])
    header, wide, plain = await report(api, upload_id)
    assert header == [*FIELD_NAMES, "surplus_cells", *ERROR_COLUMNS]
    assert wide[:6] == ["a", "b", "c", "d", 'e,"f,g"', "1"]
    assert plain[:6] == ["a", "b", "c", "d", "", "2"]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "~"])
async def test_the_report_has_the_delimiter_of_the_file(
    api: httpx2.AsyncClient, database: asyncpg.Connection, delimiter: str
) -> None:
    upload_id = await insert_upload(database, delimiter=delimiter, columns=["name", "company", "phone", "mail"])
    await insert_rejects(
        database, upload_id, [(1, [f"Rao{delimiter} Asha", "b, c", "Zoë", "d", "e", f"f{delimiter}g"])]
    )
    header, row = await report(api, upload_id, delimiter=delimiter)
    assert header == ["name", "company", "phone", "mail", "surplus_cells", *ERROR_COLUMNS]
    assert row[:4] == [f"Rao{delimiter} Asha", "b, c", "Zoë", "d"]
    assert next(csv.reader([row[4]], delimiter=delimiter)) == ["e", f"f{delimiter}g"]


@pytest.mark.parametrize(
    ("filename", "expected"),
    [("staff.csv", "staff.csv"), ("staff.XLSX", "staff.XLSX.csv"), ("a.csv.gz", "a.csv.gz.csv")],
)
async def test_the_report_is_named_as_csv_whatever_the_file_was(
    api: httpx2.AsyncClient, database: asyncpg.Connection, filename: str, expected: str
) -> None:
    upload_id = await insert_upload(database, filename=filename)
    answer = await api.get(f"/v1/uploads/{upload_id}/rejects.csv")
    assert f'filename="rejects of {expected}"' in answer.headers["Content-Disposition"]


async def test_a_cell_that_a_spreadsheet_would_run_is_escaped_and_a_phone_number_is_not(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database)
    await insert_rejects(database, upload_id, [(1, ["=1+1", "@SUM(A1)", "+91 98765-43210", "-x"])])
    assert (await report(api, upload_id))[1][:4] == ["'=1+1", "'@SUM(A1)", "+91 98765-43210", "'-x"]


async def test_a_long_report_is_whole_and_in_order(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    upload_id = await insert_upload(database)
    count = 3 * BATCH_ROWS
    await insert_rejects(database, upload_id, [(number, ["a"]) for number in range(count, 0, -1)])
    assert [row[4] for row in (await report(api, upload_id))[1:]] == [str(number) for number in range(1, count + 1)]


async def test_a_report_is_accepted_as_an_upload(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    upload_id = await insert_upload(database, columns=["=name", "company", "phone", "mail"])
    await insert_rejects(database, upload_id, [(1, ["=A", "b", "1234567", "d", "surplus"])])
    corrected = (await api.get(f"/v1/uploads/{upload_id}/rejects.csv")).content
    answer = await send(api, corrected, mapping='{"employee_name": "=name"}')
    assert answer.status_code == 202, answer.text
    assert answer.json()["columns"][0] == "=name"


async def test_clients_that_leave_a_report_half_read_hold_no_connection(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database)
    await insert_rejects(database, upload_id, [(number, ["x" * 2000]) for number in range(1, 5000)])

    async def read_a_little() -> None:
        async with api.stream("GET", f"/v1/uploads/{upload_id}/rejects.csv") as answer:
            await anext(answer.aiter_raw(100))

    await asyncio.gather(*(read_a_little() for _ in range(25)))
    answers = await asyncio.gather(*(api.get("/v1/uploads") for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
