"""Runs the migrations on the database that `ROLLCALL_DATABASE_URL` names, one process at a time."""

from __future__ import annotations

import asyncio
import os
import sys

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import advisory_locks
from shared.database.tables import metadata


def _run(connection: Connection) -> None:
    connection.execute(text(f"SELECT pg_advisory_lock({advisory_locks.MIGRATIONS})"))
    connection.commit()
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text(f"SELECT pg_advisory_unlock({advisory_locks.MIGRATIONS})"))
    connection.commit()


async def _connect_and_run(url: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


database_url = os.environ.get("ROLLCALL_DATABASE_URL")
if not database_url:
    sys.exit("Set ROLLCALL_DATABASE_URL, for example postgresql://rollcall:password@localhost:5432/rollcall")
asyncio.run(_connect_and_run(database_url))
