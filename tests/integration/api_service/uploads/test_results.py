"""P11: what became of every row of a finished upload, as a list and as a CSV, in the outcomes that are asked for."""

from __future__ import annotations

import asyncio
import codecs
import csv
import io
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx2
import pytest

from api_service.uploads.results import fates, listing, stored_rows
from tests.integration.api_service.uploads.conftest import Process
from tests.support.uploads import HEADER, insert_upload

OWN_COLUMNS = ["row_number", "line_number", "outcome", "error_code", "error_field", "error_message", "same_as"]
COLUMNS = ["Name", "Company", "Phone", "Email", "Note"]
BEFORE = (
    b"employee_name,company_name,mobile_no,email\n"
    b"Zoe Lund,Fjord,+4722550101,zoe@fjord.example\nBo Ek,Fjord,+4722550102,office@fjord.example\n"
)
ROWS = [
    ["Asha Rao", "Fjord", "+4722550103", "asha@fjord.example", "=1+1"],
    ["Una Vik", "Fjord", "+4722550104", "OFFICE@fjord.example", "shares a mailbox"],
    ["Zoe Lund", "Fjord", "abc", "zoe@fjord", "two\nlines"],
    ["Asha R.", "Fjord", "+4722550105", "Asha@Fjord.example", "again"],
    ["Cy", "Fjord", "+4722550106", "cy@fjord.example"],
    ["Dee", "Fjord", "+4722550107", "dee@fjord.example", "x", "beyond", "the last"],
]


def written(rows: list[list[str]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode()


async def report(
    api: httpx2.AsyncClient, upload_id: object, *, delimiter: str = ",", asked: str = ""
) -> list[list[str]]:
    answer = await api.get(f"/v1/uploads/{upload_id}/results.csv{asked}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(codecs.BOM_UTF8)
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=delimiter))


async def listed(api: httpx2.AsyncClient, upload_id: object, asked: str = "") -> list[dict[str, Any]]:
    """All pages, by their cursors."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = await api.get(f"/v1/uploads/{upload_id}/rows?limit=2{asked}{cursor}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["data"]
        if page["nextCursor"] is None:
            assert page["totalData"] == len(rows)
            return rows
        cursor = f"&cursor={page['nextCursor']}"


async def employee_id(database: asyncpg.Connection, email: str) -> int:
    found: int = await database.fetchval("SELECT id FROM employees WHERE lower(email) = $1", email)
    return found


async def test_every_row_is_named_with_its_cells_its_outcome_and_what_stands_instead(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await process(BEFORE)
    upload = await process(written([COLUMNS, *ROWS], ";"), onDuplicate="skip")
    bo = await employee_id(database, "office@fjord.example")

    header, *lines = await report(api, upload["id"], delimiter=";")

    assert header == [*COLUMNS, "surplus_cells", *OWN_COLUMNS]
    assert [line[:6] for line in lines] == [
        ["Asha Rao", "Fjord", "+4722550103", "asha@fjord.example", "'=1+1", ""],
        [*ROWS[1], ""],
        [*ROWS[2], ""],
        [*ROWS[3], ""],
        [*ROWS[4], "", ""],
        [*ROWS[5][:5], "beyond;the last"],
    ]
    assert [[line[6], line[7], line[8], line[9], line[12]] for line in lines] == [
        ["1", "2", "inserted", "", ""],
        ["2", "3", "duplicate", "", f"employee {bo}: Bo Ek"],
        ["3", "4", "rejected", "invalid_mobile | invalid_email", ""],
        ["4", "6", "duplicate", "", "row 1: Asha Rao"],
        ["5", "7", "inserted", "", ""],
        ["6", "8", "rejected", "wrong_column_count", ""],
    ]
    assert all(bool(line[11]) == (line[8] == "rejected") for line in lines)

    rows = await listed(api, upload["id"])
    assert [str(row["rowNumber"]) for row in rows] == [line[6] for line in lines]
    assert rows[1] == {
        "rowNumber": 2,
        "lineNumber": 3,
        "outcome": "duplicate",
        "faults": [],
        "sameAs": f"employee {bo}: Bo Ek",
        "corrected": False,
        "cells": ROWS[1],
    }
    assert [fault["code"] for fault in rows[2]["faults"]] == ["invalid_mobile", "invalid_email"]
    assert [row["cells"] for row in rows] == ROWS


async def test_outcomes_that_are_asked_for_are_given_and_no_others(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await process(BEFORE)
    upload = await process(written([COLUMNS, *ROWS]), onDuplicate="update")
    expected = {1: "duplicate", 2: "updated", 3: "rejected", 4: "inserted", 5: "inserted", 6: "rejected"}

    async def numbers(asked: str) -> tuple[list[int], list[int]]:
        of_report = (await report(api, upload["id"], asked=f"?{asked}"))[1:]
        at = -len(OWN_COLUMNS)
        return (
            [int(line[at]) for line in of_report],
            [row["rowNumber"] for row in await listed(api, upload["id"], f"&{asked}")],
        )

    for outcome in fates.OUTCOMES:
        wanted = [number for number, fate in expected.items() if fate == outcome]
        assert await numbers(f"outcome={outcome}") == (wanted, wanted), outcome
    assert await numbers("outcome=updated&outcome=duplicate") == ([1, 2], [1, 2])
    assert await numbers("outcome=updated,duplicate") == ([1, 2], [1, 2])
    assert (await report(api, upload["id"]))[1][-1] == "row 4: Asha R."
    second = (await api.get(f"/v1/uploads/{upload['id']}/rows?outcome=inserted&limit=1&page=2")).json()
    assert ([row["rowNumber"] for row in second["data"]], second["totalPages"]) == ([5], 2)
    for asked in ("outcome=lost", "outcome=", "outcom=updated", "outcome=updated,"):
        for address in ("rows", "results.csv"):
            answer = await api.get(f"/v1/uploads/{upload['id']}/{address}?{asked}")
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), asked


async def test_row_that_reject_mode_turned_away_is_told_who_has_its_email(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload = await process(
        HEADER + b"Asha Rao,Fjord,1234567,asha@fjord.example\nAsh,Fjord,1234568,ASHA@fjord.example\n",
        onDuplicate="reject",
    )
    _, first, second = await report(api, upload["id"])
    assert (first[6], second[6], second[7], second[10]) == (
        "inserted",
        "rejected",
        "duplicate_email",
        "row 1: Asha Rao",
    )
    await database.execute("DELETE FROM employees")
    assert (await report(api, upload["id"]))[2][10] == ""


async def test_what_is_not_told_says_why(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    unfinished = await insert_upload(database, status="running")
    never_read = await insert_upload(database, status="cancelled", encoding=None, finished_at=datetime.now(UTC))
    upload = await process(BEFORE + BEFORE.splitlines()[1])

    async def codes(upload_id: object) -> set[tuple[int, str]]:
        answers = [await api.get(f"/v1/uploads/{upload_id}/{address}") for address in ("rows", "results.csv")]
        return {(answer.status_code, answer.json()["code"]) for answer in answers}

    assert await codes(uuid.uuid4()) == {(404, "unknown_upload")}
    assert await codes(unfinished) == {(409, "not_finished")}
    assert await codes(never_read) == {(409, "results_unknown")}
    await database.execute("UPDATE upload_chunks SET noted_rows = NULL, duplicate_bits = NULL")
    assert await codes(upload["id"]) == {(409, "results_unknown")}
    await database.execute("UPDATE uploads SET file_deleted_at = now() WHERE id = $1", upload["id"])
    assert await codes(upload["id"]) == {(410, "file_gone")}


async def test_upload_of_an_older_release_whose_rows_were_all_inserted_is_told(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload = await process(BEFORE + b"bad,,,\n")
    await database.execute("UPDATE upload_chunks SET noted_rows = NULL")
    assert [line[6] for line in (await report(api, upload["id"]))[1:]] == ["inserted", "inserted", "rejected"]


async def test_rows_that_a_cancel_left_are_unprocessed(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fates, "PAGE_ENTRIES", 2)
    upload = await process(written([COLUMNS, *ROWS]))
    # As if each row had been a chunk, of which some were never done.
    await database.execute(
        "UPDATE upload_chunks SET row_count = 2, duplicate_bits = NULL, inserted = 2, rejected = 0,"
        " duplicates = 0, noted_rows = 2"
    )
    await database.execute("DELETE FROM rejected_rows")
    await database.execute(
        "INSERT INTO upload_chunks (upload_id, first_row, row_count, byte_count, inserted, updated, duplicates,"
        " rejected, noted_rows) VALUES ($1, 4, 1, 1, 1, 0, 0, 0, 1)",
        upload["id"],
    )
    await database.execute(
        "UPDATE uploads SET status = 'cancelled', inserted = 3, rejected = 0, duplicates = 0, unprocessed = 3"
    )
    expected = ["inserted", "inserted", "unprocessed", "inserted", "unprocessed", "unprocessed"]

    header, *lines = await report(api, upload["id"])

    assert [line[-5] for line in lines] == expected
    assert header[5] == "surplus_cells"
    assert lines[-1][5] == "beyond,the last"
    assert [row["outcome"] for row in await listed(api, upload["id"])] == expected
    assert [row["rowNumber"] for row in await listed(api, upload["id"], "&outcome=unprocessed")] == [3, 5, 6]


async def test_report_that_comes_back_is_taken_without_its_seven_columns(
    process: Process, api: httpx2.AsyncClient
) -> None:
    columns = ["Name", "outcome", "Company", "Phone", "Email", "row_number"]
    upload = await process(written([columns, ["Asha Rao", "good", "Fjord", "1234567", "asha@fjord.example", "7"]]))
    content = (await api.get(f"/v1/uploads/{upload['id']}/results.csv")).content
    again = await process(content)
    assert (again["columns"], again["duplicates"]) == (columns, 1)
    header, line = await report(api, again["id"])
    assert header == [*columns, *OWN_COLUMNS]
    assert line[:6] == ["Asha Rao", "good", "Fjord", "1234567", "asha@fjord.example", "7"]
    assert line[-1] == "row 1: Asha Rao" or line[-1].endswith(": Asha Rao")


async def test_long_file_is_told_batch_by_batch_and_its_pages_go_on_where_they_ended(
    process: Process, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fates, "SPAN_ROWS", 700)
    monkeypatch.setattr(stored_rows, "BATCH_ROWS", 90)
    rows = [
        f"Person,Firm,{1_000_000 + number},{'x' if number % 10 == 0 else f'p{number % 1900}@firm.example'}\n"
        for number in range(2500)
    ]
    rows[1200] = 'Broken "quote,"Firm" too,1234567,broken@firm.example\n'
    upload = await process(HEADER + "\n".join(rows).encode(), onDuplicate="update")
    expected = Counter(inserted=upload["inserted"], duplicate=upload["duplicates"], rejected=upload["rejected"])

    lines = (await report(api, upload["id"]))[1:]

    assert [int(line[4]) for line in lines] == list(range(1, 2501))
    assert [int(line[5]) for line in lines] == list(range(2, 5001, 2))
    assert Counter(line[6] for line in lines) == expected
    found, cursor = [], ""
    while True:
        page = (await api.get(f"/v1/uploads/{upload['id']}/rows?limit=190&outcome=duplicate{cursor}")).json()
        found += [(str(row["rowNumber"]), str(row["lineNumber"]), row["sameAs"]) for row in page["data"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == [(line[4], line[5], line[10]) for line in lines if line[6] == "duplicate"]


async def test_page_of_large_rows_ends_early(
    process: Process, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_PAGE_BYTES", 100_000)
    rows = [f"Person,Firm,1234567,p{number}@firm.example,{'x' * 20_000}\n" for number in range(9)]
    upload = await process(HEADER.replace(b"email", b"email,note") + "".join(rows).encode())
    page = (await api.get(f"/v1/uploads/{upload['id']}/rows?limit=9")).json()
    assert (page["size"], page["totalData"]) == (5, 9)
    rest = (await api.get(f"/v1/uploads/{upload['id']}/rows?limit=9&cursor={page['nextCursor']}")).json()
    assert ([row["rowNumber"] for row in rest["data"]], rest["nextCursor"]) == ([6, 7, 8, 9], None)


async def test_clients_that_leave_results_half_read_hold_neither_connection_nor_file(
    process: Process, api: httpx2.AsyncClient
) -> None:
    rows = [f"Person,Firm,1234567,p{number}@firm.example\n" for number in range(20_000)]
    upload = await process(HEADER + "".join(rows).encode())

    async def read_a_little() -> None:
        async with api.stream("GET", f"/v1/uploads/{upload['id']}/results.csv") as answer:
            await anext(answer.aiter_raw(100))

    await asyncio.gather(*(read_a_little() for _ in range(25)))
    answers = await asyncio.gather(*(api.get("/v1/uploads") for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert len(await report(api, upload["id"])) == 20_001
