"""The checker itself: what it does not notice, no test above notices."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import aio_pika
import asyncpg
import pytest
from aio_pika.abc import AbstractIncomingMessage

from shared.amqp.topology import REQUESTS_QUEUE, UPLOADS_QUEUE
from shared.errors import RowCode
from shared.rows.fields import FIELD_NAMES
from tests.support import leaks
from tests.support.broker import open_broker
from tests.support.checker import (
    RESULT_COLUMNS,
    letter_differences,
    report_differences,
    result_differences,
    share_differences,
    table_differences,
)
from tests.support.leaks import Connections
from tests.support.mixed_file import write_mixed_file
from tests.support.reference import Expected, read_top_to_bottom
from tests.support.services import Backends, Kind
from tests.support.uploads import insert_upload
from tests.support.waiting import eventually

REPORT = "row_number,line_number,error_code,error_field,error_message"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def expected(tmp_path: Path) -> Expected:
    file = tmp_path / "small.csv"
    file.write_text(
        "employee_name,company_name,mobile_no,email\n"
        "Ada Byron,Engines,+441234567890,Ada@Byron.example\n"
        "Bo,Engines,,bo@byron.example\n"
        "Cy Young,Pitchers,1234567,cy@young.example\n"
    )
    return read_top_to_bottom(file)


async def test_table_as_it_has_to_be_has_no_differences(database: asyncpg.Connection, expected: Expected) -> None:
    await _fill(database, expected)
    assert await table_differences(database, expected) == []


async def test_share_of_an_upload_is_seen_alone_among_the_rows_of_others(
    database: asyncpg.Connection, expected: Expected
) -> None:
    upload_id = await insert_upload(database)
    sequence = await database.fetchval("SELECT sequence FROM uploads")
    await _fill(database, expected)
    await database.execute("UPDATE employees SET upload_sequence = $1", sequence)
    insert = (
        "INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)"
        " VALUES ('Di', 'None', '1234567', $1, $2, 2, false)"
    )
    await database.execute(insert, "di@none.example", sequence + 1)
    assert await share_differences(database, expected, str(upload_id)) == []

    await database.execute(insert, "ed@none.example", sequence)
    await database.execute("UPDATE employees SET mobile_no = '7654321' WHERE row_number = 3")
    await database.execute("DELETE FROM employees WHERE row_number = 1")
    assert await share_differences(database, expected, str(upload_id)) == [
        "unexpected in the table: row 2",
        "altered in the table: row 3, mobile_no",
        "lost from the table: row 1",
    ]


async def test_lost_doubled_altered_and_unexpected_rows_are_named(
    database: asyncpg.Connection, expected: Expected
) -> None:
    await _fill(database, expected)
    await database.execute("DROP INDEX employees_email_key")
    await database.execute("UPDATE employees SET mobile_no = '7654321' WHERE row_number = 3")
    await database.execute(
        "INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)"
        " SELECT employee_name, company_name, mobile_no, upper(email), 1, 9, false FROM employees WHERE row_number = 1"
        " UNION SELECT 'Di', 'None', '1234567', 'di@none.example', 1, 2, false"
    )
    assert set(await table_differences(database, expected)) == {
        "doubled in the table: row 1",
        "altered in the table: row 3, mobile_no",
        "unexpected in the table: row 2",
        "counted as 2 employees: there are 4",
    }

    await database.execute("DELETE FROM email_domains WHERE domain = 'none.example'")
    assert "not to be found by their domain: 1 employees" in await table_differences(database, expected)

    await database.execute("DELETE FROM employees WHERE row_number IN (1, 2, 9)")
    assert "lost from the table: row 1" in await table_differences(database, expected)


def test_rejects_that_are_lost_added_altered_or_moved_in_the_report_are_named(expected: Expected) -> None:
    header = f"\ufeffemployee_name,company_name,mobile_no,email,{REPORT}\n"
    right = "Bo,Engines,,bo@byron.example,2,3,missing_value,mobile_no,Fill it in.\n"
    assert report_differences(header + right, expected) == []
    assert report_differences(header, expected) == ["lost from the report: row 2"]
    assert report_differences(header + right + right, expected) == ["unexpected in the report: row 2"]
    assert report_differences(header + right.replace("Bo", "Jo"), expected) == ["altered in the report: row 2"]
    assert report_differences(header + right.replace(",3,", ",4,"), expected) == [
        "in the report row 2, line 4, missing_value instead of row 2, line 3, missing_value"
    ]


def test_rows_that_are_lost_added_or_of_another_outcome_in_the_results_are_named(tmp_path: Path) -> None:
    file = tmp_path / "twice.csv"
    file.write_text(
        "employee_name,company_name,mobile_no,email\n"
        "Ada,Engines,1234567,ada@byron.example\nBo,Engines,,bo@byron.example\nAda,Mills,1234567,ADA@byron.example\n"
    )
    expected = read_top_to_bottom(file, "update")
    cells = ["a", "b", "c", "d"]
    header = [*FIELD_NAMES, *RESULT_COLUMNS]
    first = [*cells, "1", "2", "duplicate", "", "", "", "row 3: Ada"]
    second = [*cells, "2", "3", "rejected", "missing_value", "mobile_no", "why", ""]
    third = [*cells, "3", "4", "inserted", "", "", "", ""]

    def found(*lines: list[str]) -> list[str]:
        return result_differences(iter(lines), expected)

    expected.columns[:] = FIELD_NAMES
    assert found(header, first, second, third) == []
    assert found(header, first, second) == ["lost from the results: row 3"]
    assert found(header, first, second, third, third) == ["unexpected in the results: row 3"]
    assert len(found(header, third, second, first)) == 2
    assert found(header, [*first[:-1], "row 2: Bo"], second, third) == [
        "in the results row 1 is not the same as row 3: "
    ]
    assert len(found([*FIELD_NAMES], first, second, third)) == 1


def test_letters_that_are_lost_added_altered_or_doubled_are_named(expected: Expected) -> None:
    letter = {
        "rowNumber": 2,
        "lineNumber": 3,
        "code": "missing_value",
        "message": "Fill it in.",
        "faults": [{"code": "missing_value", "field": "mobile_no", "message": "Fill it in."}],
        "cells": ["Bo", "Engines", "", "bo@byron.example"],
    }
    assert letter_differences([letter], expected, may_repeat=False) == []
    assert letter_differences([], expected, may_repeat=False) == ["lost from the dead letters: row 2"]
    assert letter_differences([letter, letter], expected, may_repeat=False) == ["doubled in the dead letters: row 2"]
    assert letter_differences([letter, letter], expected, may_repeat=True) == []
    assert letter_differences([letter | {"cells": []}], expected, may_repeat=True) == [
        "altered in the dead letters: row 2"
    ]
    assert letter_differences([letter, letter | {"rowNumber": 3}], expected, may_repeat=True) == [
        "unexpected in the dead letters: row 3, missing_value"
    ]


def test_mixed_file_is_the_same_for_a_seed_and_has_every_fault_that_a_file_can_have(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    for file in (first, second):
        write_mixed_file(file, 5_000, bad_share=0.02, duplicate_share=0.05, seed=7)
    assert first.read_bytes() == second.read_bytes()

    expected = read_top_to_bottom(first)
    not_of_a_file = {
        *(RowCode.DUPLICATE_EMAIL, RowCode.UNKNOWN_EMAIL, RowCode.UPLOAD_UNDONE, RowCode.ERASED_PERSON),
        *(RowCode.INTERNAL_ERROR, RowCode.POISON_ROW),
    }
    assert set(expected.rejected_by) == set(RowCode) - not_of_a_file
    assert expected.rows_read == 5_000
    assert expected.duplicates > 100


async def test_process_with_too_many_connections_or_a_file_still_open_is_named(
    database_url: str, amqp_url: str, upload_store_url: str, tmp_path: Path
) -> None:
    me = _ThisProcess({**Backends(database_url, amqp_url, upload_store_url).as_environment()})
    before, open_before = leaks.connections_of(me), leaks.open_files_of(me)
    allowed = leaks.ALLOWED[me.kind]
    more = max(allowed) + 1
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(more):
            stack.push_async_callback((await asyncpg.connect(database_url)).close)
            await stack.enter_async_context(await aio_pika.connect(amqp_url))
        stored = stack.enter_context((tmp_path / "uploads" / "1").open("w"))
        deleted = stack.enter_context((tmp_path / "deleted").open("w"))
        (tmp_path / "deleted").unlink()

        assert leaks.connections_of(me) == Connections(before.database + more, before.broker + more)
        findings = leaks.of_process(me)
        assert f"me has {before.database + more} connections to the database: {allowed.database} will do" in findings
        assert f"me has {before.broker + more} connections to the broker: {allowed.broker} will do" in findings
        assert f"me still has {stored.name} open" in findings
        assert f"me still has {deleted.name} (deleted) open" in findings

    assert leaks.open_files_of(me) == open_before
    await eventually(lambda: leaks.connections_of(me) == before)


async def test_message_consumer_or_callback_queue_that_is_left_is_named(amqp_url: str) -> None:
    async with open_broker(amqp_url) as broker, await aio_pika.connect(amqp_url) as other:
        logs = f"subscribed callback.{'0' * 32} and callback.{'1' * 32} and callback.{'2' * 32}"
        assert await leaks.left_in_queues(broker, logs) == []

        await broker.request(b"left")
        channel = await other.channel()
        await channel.declare_queue(f"callback.{'0' * 32}", exclusive=True)
        await channel.declare_queue(f"callback.{'1' * 32}")
        await (await channel.get_queue(UPLOADS_QUEUE)).consume(_ignore)
        await eventually(lambda: broker.has_ready(REQUESTS_QUEUE, 1))
        assert await leaks.left_in_queues(broker, logs) == [
            f"left in {REQUESTS_QUEUE}: 1 messages, 0 consumers",
            f"left in {UPLOADS_QUEUE}: 0 messages, 1 consumers",
            f"left: the queue callback.{'0' * 32}",
            f"left: the queue callback.{'1' * 32}",
        ]


async def test_lease_marker_or_connection_that_is_left_is_named(
    database: asyncpg.Connection, database_url: str
) -> None:
    running = await insert_upload(database, status="running")
    finished = await insert_upload(database, status="succeeded", finished_at=datetime.now(UTC))
    for upload_id in (running, finished):
        await database.execute(
            "INSERT INTO upload_leases (upload_id, owner, fence, expires_at) VALUES ($1, '', 1, now())", upload_id
        )
        await database.execute(
            "INSERT INTO row_markers (upload_id, row_number, consumers) VALUES ($1, 1, ARRAY[]::uuid[])", upload_id
        )
    assert await leaks.left_in_tables(database) == ["left: 1 leases", "left: 1 row markers"]

    await database.execute("UPDATE upload_leases SET owner = 'somebody'")
    service = await asyncpg.connect(database_url, server_settings={"application_name": "a service"})
    assert await leaks.left_in_tables(database) == [
        "left: 2 leases",
        "left: 1 row markers",
        "left: 1 database connections",
    ]
    await service.close()


async def test_file_in_the_store_that_no_upload_has_is_named(
    database: asyncpg.Connection, upload_store_url: str, tmp_path: Path
) -> None:
    for name in ("kept", "purged", "kept#1", "unknown"):
        (tmp_path / "uploads" / name).touch()
    await insert_upload(database, object_key="kept")
    await insert_upload(database, object_key="purged", file_deleted_at=datetime.now(UTC))
    assert await leaks.left_in_store(database, upload_store_url) == [
        "left in the store: kept#1",
        "left in the store: purged",
        "left in the store: unknown",
    ]


async def test_finding_that_goes_away_is_none_and_one_that_stays_is_told() -> None:
    findings = iter([["busy"], ["busy"], []])

    async def look() -> list[str]:
        return next(findings)

    async def look_at_what_stays() -> list[str]:
        return ["left"]

    assert await leaks.lasting(look) == []
    assert await leaks.lasting(look_at_what_stays, seconds=0.3) == ["left"]


class _ThisProcess(NamedTuple):
    environment: dict[str, str]
    name: str = "me"
    kind: Kind = "consumer_service"
    pid: int = os.getpid()


async def _ignore(_: AbstractIncomingMessage) -> None: ...


async def _fill(database: asyncpg.Connection, expected: Expected) -> None:
    await database.executemany(
        f"INSERT INTO employees (row_number, upload_sequence, by_update, {', '.join(FIELD_NAMES)})"
        f" VALUES ($1, 1, false, {', '.join(f'${number}' for number, _ in enumerate(FIELD_NAMES, 2))})",
        [(employee.row_number, *employee.values) for employee in expected.employees.values()],
    )
    await database.execute("UPDATE employee_totals SET total = $1 WHERE slot = 0", len(expected.employees))
