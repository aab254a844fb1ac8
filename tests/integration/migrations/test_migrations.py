"""The migrations make exactly the tables that the code knows, go back, and can be run by two at once."""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
import pytest

from shared.database.schema_check import REQUIRED_REVISION
from tests.support.employees import Person, insert_employees
from tests.support.processes import ended
from tests.support.servers import CHECKOUT
from tests.support.uploads import insert_upload
from tests.support.waiting import eventually


async def test_migrated_schema_is_the_one_in_the_code(database_url: str) -> None:
    status, output = await alembic(database_url, "check")

    assert status == 0, output
    assert "No new upgrade operations detected" in output


async def test_every_migration_can_be_taken_back_and_made_again(
    database_url: str, database: asyncpg.Connection
) -> None:
    down, output = await alembic(database_url, "downgrade", "base")
    assert down == 0, output
    assert await _left(database) == {"alembic_version"}

    up, output = await alembic(database_url, "upgrade", "head")
    assert up == 0, output
    check, output = await alembic(database_url, "check")
    assert check == 0, output


async def test_rejects_without_a_letter_enter_the_outbox_and_come_back_from_it(
    database_url: str, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database)
    await alembic(database_url, "downgrade", "0002")
    for row_number, is_published, is_discarded in [
        (1, True, False),
        (2, False, False),
        (4, False, False),
        (5, False, True),
    ]:
        await database.execute(
            "INSERT INTO rejected_rows (upload_id, row_number, line_number, code, message, cells, published_at,"
            " discarded_at) VALUES ($1, $2, 1, 'invalid_email', 'why', '[]', CASE WHEN $3 THEN now() END,"
            " CASE WHEN $4 THEN now() END)",
            upload_id,
            row_number,
            is_published,
            is_discarded,
        )
    unpublished = "SELECT row_number FROM rejected_rows WHERE published_at IS NULL ORDER BY row_number"

    up, output = await alembic(database_url, "upgrade", "head")
    assert up == 0, output
    entries = await database.fetch(
        "SELECT entry.first_row, entry.last_row FROM unpublished_letters AS entry"
        " JOIN rejected_rows AS r ON r.dead_at = entry.dead_at AND r.row_number = entry.first_row ORDER BY 1"
    )
    down, output = await alembic(database_url, "downgrade", "0002")

    assert down == 0, output
    assert [tuple(entry) for entry in entries] == [(2, 2), (4, 4)]
    assert [each["row_number"] for each in await database.fetch(unpublished)] == [2, 4]


async def test_domains_of_earlier_employees_are_there_after_the_migration(
    database_url: str, database: asyncpg.Connection
) -> None:
    await alembic(database_url, "downgrade", "0003")
    await insert_employees(
        database, [Person("Asha", "asha@one.example"), Person("Bo", "bo@ONE.example"), Person("Cy", "cy@two.example")]
    )

    up, output = await alembic(database_url, "upgrade", "head")

    assert up == 0, output
    found = await database.fetch("SELECT domain FROM email_domains ORDER BY domain")
    assert [row["domain"] for row in found] == ["one.example", "two.example"]


async def test_earlier_uploads_are_read_by_the_rules_that_there_were(
    database_url: str, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database, reader_version=2, backslash_escapes=True)
    await alembic(database_url, "downgrade", "0005")

    up, output = await alembic(database_url, "upgrade", "head")

    assert up == 0, output
    row = await database.fetchrow("SELECT reader_version, backslash_escapes FROM uploads WHERE id = $1", upload_id)
    assert row is not None
    assert tuple(row) == (1, False)


async def test_earlier_names_are_in_nfc_after_the_migration_and_nothing_else_has_changed(
    database_url: str, database: asyncpg.Connection
) -> None:
    await alembic(database_url, "downgrade", "0014")
    names = ["Zoe\u0308", "Zoë", "Ann", "\u1100\u1161", "\u212bke", "locked e\u0301"]
    await insert_employees(database, [Person(name, f"p{at}@b.example") for at, name in enumerate(names)])
    await database.execute("UPDATE employees SET company_name = 'Cafe\u0301' WHERE employee_name = 'Ann'")
    before = await database.fetch("SELECT id, email, mobile_no, updated_at, xmin FROM employees ORDER BY id")

    other = await asyncpg.connect(database_url)
    try:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT FROM employees WHERE employee_name LIKE 'locked%' FOR UPDATE")
        upgrading = asyncio.create_task(alembic(database_url, "upgrade", "head"))
        # All others are done while one is held.
        await eventually(lambda: _names_are_in_nfc(database, but=1))
        await transaction.commit()
    finally:
        await other.close()

    status, output = await upgrading
    assert status == 0, output
    assert await _names_are_in_nfc(database, but=0)
    after = await database.fetch("SELECT id, email, mobile_no, updated_at, xmin FROM employees ORDER BY id")
    assert [tuple(row)[:4] for row in after] == [tuple(row)[:4] for row in before]
    # The one that was in NFC is the same version of its row.
    assert [old["xmin"] == new["xmin"] for old, new in zip(before, after, strict=True)] == [
        name == "Zoë" for name in names
    ]


async def test_services_require_the_newest_migration(database: asyncpg.Connection) -> None:
    assert await database.fetchval("SELECT version_num FROM alembic_version") == REQUIRED_REVISION


async def test_two_that_migrate_at_once_wait_for_each_other(empty_database_url: str) -> None:
    outcomes = await asyncio.gather(*(alembic(empty_database_url, "upgrade", "head") for _ in range(2)))

    assert [status for status, _ in outcomes] == [0, 0], outcomes


async def test_migration_without_a_database_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROLLCALL_DATABASE_URL", raising=False)

    status, output = await alembic(None, "upgrade", "head")

    assert status != 0
    assert "Set ROLLCALL_DATABASE_URL" in output


async def alembic(url: str | None, *arguments: str) -> tuple[int, str]:
    """As an operator runs it; its exit status and what it said."""
    environment = dict(os.environ) if url is None else {**os.environ, "ROLLCALL_DATABASE_URL": url}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "alembic",
        *arguments,
        cwd=CHECKOUT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await ended(process)
    return process.returncode or 0, output.decode()


async def _names_are_in_nfc(database: asyncpg.Connection, *, but: int) -> bool:
    odd = await database.fetchval(
        "SELECT count(*) FROM employees WHERE employee_name IS NOT NFC NORMALIZED OR company_name IS NOT NFC NORMALIZED"
    )
    return bool(odd == but)


async def _left(database: asyncpg.Connection) -> set[str]:
    """Tables, sequences and functions in the schema that is ours."""
    found = await database.fetch(
        "SELECT relname::text AS name FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')"
        " UNION SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )
    return {each["name"] for each in found}
