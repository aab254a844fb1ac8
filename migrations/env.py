"""Runs the migrations on the database that `ROLLCALL_DATABASE_URL` names, one process at a time."""

from __future__ import annotations

import asyncio
import sys

from alembic import context
from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from migrations.database_url import owners_url
from migrations.roles.roles import renew_privileges
from shared.database import advisory_locks
from shared.database.tables import metadata


def _run(connection: Connection) -> None:
    connection.execute(text(f"SELECT pg_advisory_lock({advisory_locks.MIGRATIONS})"))
    connection.commit()
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
    with connection.begin():
        # Of an older schema the privileges that are written down here are not.
        if context.get_context().get_current_revision() == context.get_head_revision():
            renew_privileges(connection)
    connection.execute(text(f"SELECT pg_advisory_unlock({advisory_locks.MIGRATIONS})"))
    connection.commit()


async def _connect_and_run(url: URL) -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


try:
    asyncio.run(_connect_and_run(owners_url()))
except ValueError as error:
    sys.exit(str(error))
