"""What a claim of lease queues reads: its plan, and the pages that it and what follows it touch."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from api_service.lease_queues import message_queries, send_queries
from api_service.lease_queues.lease_queues import PLANNER_SETTINGS
from api_service.lease_queues.message_queries import CLAIM, ClaimStart
from api_service.lease_queues.messages import NewMessage, ReceiveOrder

# A claim of ten touches a few pages a message; reading what it should not would be thousands.
FEW_BLOCKS: Final = 400


@contextlib.asynccontextmanager
async def queue_connection(database_url: str) -> AsyncIterator[AsyncConnection]:
    """Set as the API's own connections for lease queues."""
    engine = create_async_engine(
        database_url.replace("postgresql://", "postgresql+asyncpg://", 1),
        isolation_level="AUTOCOMMIT",
        connect_args={"server_settings": PLANNER_SETTINGS},
    )
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def explain_claim(
    connection: AsyncConnection, start: ClaimStart, statement: TextClause = CLAIM
) -> dict[str, Any]:
    parameters = {
        "queue": "q",
        "head_id": start.head_id,
        "hidden_from": start.hidden_from,
        "wanted": 10,
        "consumers": ["c"],
        "timeouts": [30],
        "limits": [10],
        "last_places": [10],
    }
    found = await connection.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}"), parameters)
    (plan,) = found.scalar_one()
    whole: dict[str, Any] = plan["Plan"]
    return whole


def blocks(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def fill_groups(database: asyncpg.Connection, messages: int, groups: int) -> None:
    """As sends leave them: the first of each group in line, the others blocked. Triggers would take minutes."""
    await database.execute("TRUNCATE queue_messages")
    async with database.transaction():
        await database.execute("SET LOCAL session_replication_role = replica")
        await database.execute(
            "INSERT INTO queue_messages (queue_id, payload, payload_bytes, group_id, visible_at) "
            "SELECT id, '1', 1, 'g' || number % $2::int, CASE WHEN number > $2::int THEN 'infinity'::timestamptz END "
            "FROM queues, generate_series(1, $1::int) AS number",
            messages,
            groups,
        )
    await database.execute("VACUUM queue_messages")


async def blocks_of_a_step(connection: AsyncConnection, database: asyncpg.Connection) -> int:
    """A claim, the acknowledgement of one message, whose group goes on, and a send behind the others of a group."""

    async def touched() -> int:
        # Of both: what the other session has filled the queue with would be counted when its second is over.
        await connection.execute(text("SELECT pg_stat_force_next_flush()"))
        await database.execute("SELECT pg_stat_force_next_flush()")
        await database.execute("SELECT pg_stat_clear_snapshot()")
        return int(
            await database.fetchval(
                "SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit FROM pg_statio_user_tables "
                "WHERE relname = 'queue_messages'"
            )
        )

    before = await touched()
    claim = await message_queries.claim(connection, "q", [ReceiveOrder("c", 1, 30)], ClaimStart())
    ((message,),) = claim.messages
    assert await message_queries.acknowledge(connection, "q", [message.receipt]) == [True]
    await send_queries.send_with_options(connection, "q", [NewMessage(b"1", 1, group_id=message.group_id)])
    return await touched() - before
