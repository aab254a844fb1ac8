"""A service refuses a schema that is older than it knows, says what to run, and takes a newer one with a warning."""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
import pytest
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from deploy.program import free_port
from shared.database import schema_check
from shared.database.schema_check import SchemaTooOld, require_schema
from tests.support.patience import patience
from tests.support.pipeline import consumer_settings, wide_engine
from tests.support.servers import CHECKOUT

COMMAND = "alembic upgrade head"


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was used under another test's configuration keeps it, and nothing of it is captured."""
    monkeypatch.setattr(schema_check, "log", structlog.get_logger())


@pytest.mark.parametrize("service", ["consumer_service", "producer_service"])
async def test_service_on_a_database_without_the_schema_ends_with_what_to_run(
    service: str, empty_database_url: str, amqp_url: str, upload_store_url: str
) -> None:
    status, output = await start(service, empty_database_url, amqp_url, upload_store_url)

    assert status not in (0, None)
    assert COMMAND in output
    assert "revision none" in output


async def test_service_on_an_older_schema_ends_with_what_to_run(
    database: asyncpg.Connection, database_url: str, amqp_url: str, upload_store_url: str
) -> None:
    await database.execute("UPDATE alembic_version SET version_num = '0000'")

    status, output = await start("consumer_service", database_url, amqp_url, upload_store_url)

    assert status not in (0, None)
    assert COMMAND in output
    assert "revision 0000" in output


async def test_schema_that_fits_is_taken_in_silence(engine: AsyncEngine) -> None:
    with capture_logs() as lines:
        await require_schema(engine)

    assert lines == []


async def test_newer_schema_is_taken_with_a_warning(engine: AsyncEngine, database: asyncpg.Connection) -> None:
    await database.execute("UPDATE alembic_version SET version_num = '9999'")

    with capture_logs() as lines:
        await require_schema(engine)

    assert [(line["log_level"], line["found"]) for line in lines] == [("warning", "9999")]


async def test_empty_version_table_counts_as_no_schema(engine: AsyncEngine, database: asyncpg.Connection) -> None:
    await database.execute("DELETE FROM alembic_version")

    with pytest.raises(SchemaTooOld):
        await require_schema(engine)


async def test_database_that_does_not_answer_is_waited_for_a_while() -> None:
    nowhere = wide_engine(consumer_settings("postgresql://nobody:secret@127.0.0.1:1/none"))

    with capture_logs() as lines, pytest.raises((SQLAlchemyError, OSError)):
        await require_schema(nowhere, wait_seconds=0)

    assert {line["event"] for line in lines} == {"the database does not answer"}
    await nowhere.dispose()


async def start(service: str, database_url: str, amqp_url: str, upload_store_url: str) -> tuple[int | None, str]:
    """Start a service as a process and wait for its end: its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "uvicorn", f"{service}.app:create_app", "--factory", "--port", str(free_port())),
        cwd=CHECKOUT,
        env={
            **os.environ,
            "ROLLCALL_DATABASE_URL": database_url,
            "ROLLCALL_AMQP_URL": amqp_url,
            "ROLLCALL_UPLOAD_STORE_URL": upload_store_url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 60 * patience())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode()
