"""Claims read what they hand out, not what waits behind it, has passed before it, or is due beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import TextClause, event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues import message_queries, send_queries
from api_service.lease_queues.message_queries import CLAIM, CLAIM_IN_LINE, ClaimStart
from api_service.lease_queues.messages import NewMessage, ReceiveOrder
from tests.support.claim_plans import (
    FEW_BLOCKS,
    blocks,
    blocks_of_a_step,
    explain_claim,
    fill_groups,
    queue_connection,
)

WAITING = 100_000
both_claims = pytest.mark.parametrize("statement", [CLAIM, CLAIM_IN_LINE], ids=["anywhere", "in line"])


@pytest.fixture
async def connection(database_url: str, database: asyncpg.Connection) -> AsyncIterator[AsyncConnection]:
    """To a queue with many messages in line, of which the planner's statistics know nothing."""
    async with queue_connection(database_url) as connection:
        await send_queries.open_queue(connection, "q")
        # It would be counted with the claims.
        await database.execute("ALTER TABLE queue_messages SET (autovacuum_enabled = off)")
        await database.execute("ANALYZE queue_messages")
        await database.execute(
            "INSERT INTO queue_messages (queue_id, payload, payload_bytes) "
            "SELECT id, '1', 1 FROM queues, generate_series(1, $1)",
            WAITING,
        )
        yield connection


def scans(plan: dict[str, Any]) -> set[tuple[str, str | None]]:
    """How the messages are reached: kind of scan and index."""
    own = {(plan["Node Type"], plan.get("Index Name"))} if plan.get("Relation Name") == "queue_messages" else set()
    return own.union(*(scans(child) for child in plan.get("Plans", [])))


def dead_rows_met(plan: dict[str, Any]) -> int:
    """By the scan that looks for the head of the line: rows that it had to look at before the first live one."""
    if plan.get("Subplan Name") == "CTE head":
        return int(plan["Plans"][-1]["Heap Fetches"])
    return sum(dead_rows_met(child) for child in plan.get("Plans", []))


async def pass_through(connection: AsyncConnection, batches: int) -> ClaimStart:
    """Claim and acknowledge a thousand at a time; where the last claim says that the next should start."""
    start = ClaimStart()
    for _ in range(batches):
        claim = await message_queries.claim(connection, "q", [ReceiveOrder("c", 1000, 30)], start)
        assert claim.total == 1000
        start = claim.next_start
        receipts = [message.receipt for message in claim.messages[0]]
        assert all(await message_queries.acknowledge(connection, "q", receipts))
    return start


@both_claims
async def test_a_claim_does_not_read_what_waits_behind(connection: AsyncConnection, statement: TextClause) -> None:
    plan = await explain_claim(connection, ClaimStart(), statement)
    assert blocks(plan) < FEW_BLOCKS
    reached = scans(plan)
    assert {kind for kind, _ in reached} <= {"Index Scan", "Index Only Scan", "ModifyTable"}
    assert {index for _, index in reached if index} == {
        "queue_messages_in_line_idx",
        "queue_messages_hidden_idx",
        "queue_messages_priority_idx",
        "queue_messages_pkey",
    }


@both_claims
async def test_the_plan_does_not_change_with_the_statistics(
    connection: AsyncConnection, database: asyncpg.Connection, statement: TextClause
) -> None:
    before = scans(await explain_claim(connection, ClaimStart(), statement))
    await database.execute("ANALYZE queue_messages")
    assert scans(await explain_claim(connection, ClaimStart(), statement)) == before


async def test_a_second_statement_runs_only_where_not_everything_stands_in_line(
    connection: AsyncConnection, database: asyncpg.Connection
) -> None:
    statements = []

    @event.listens_for(connection.sync_connection, "before_cursor_execute")
    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append("due_window" in statement)

    async def ways(start: ClaimStart) -> tuple[list[bool], ClaimStart]:
        """For each statement of a claim of one, whether it looked anywhere; and where the next should start."""
        statements.clear()
        claim = await message_queries.claim(connection, "q", [ReceiveOrder("c", 1, 30)], start)
        assert claim.total == 1
        return list(statements), claim.next_start

    in_line, anywhere = [False], [True]
    seen, start = await ways(ClaimStart())
    assert seen == in_line
    (first,) = await send_queries.send_with_options(connection, "q", [NewMessage(b"1", 1, priority=1)])
    seen, start = await ways(start)
    assert seen == in_line + anywhere
    # Looked for before it was leased, the prioritised one counts once more; then nothing is left of it.
    assert (await ways(start))[0] == anywhere
    await database.execute("DELETE FROM queue_messages WHERE id = $1", first)
    _, start = await ways(start)
    assert (await ways(start))[0] == in_line
    await database.execute("""
        UPDATE queue_messages SET visible_at = now()
        WHERE id = (SELECT min(id) FROM queue_messages WHERE visible_at IS NULL)
    """)
    seen, start = await ways(start)
    assert seen == in_line + anywhere
    _, start = await ways(start)
    assert (await ways(start))[0] == in_line


async def test_a_claim_costs_the_same_however_much_is_due(
    connection: AsyncConnection, database: asyncpg.Connection
) -> None:
    due = "UPDATE queue_messages SET visible_at = now() - interval '1 minute' WHERE visible_at IS NULL AND id <= $1"
    read = []
    for crowd in (1_000, 20_000, WAITING):
        await database.execute(due, crowd)
        await database.execute("VACUUM queue_messages")
        read.append(blocks(await explain_claim(connection, ClaimStart())))
        claim = await message_queries.claim(connection, "q", [ReceiveOrder("c", 10, 1)], ClaimStart())
        ids = [message.id for message in claim.messages[0]]
        assert ids == sorted(ids)
        assert len(ids) == 10
    assert max(read) < min(2 * min(read), FEW_BLOCKS)


@pytest.mark.parametrize("priority", [0, 5])
async def test_a_claim_finds_what_is_due_behind_a_crowd_that_others_have_locked(
    connection: AsyncConnection, database: asyncpg.Connection, priority: int
) -> None:
    await database.execute("UPDATE queue_messages SET visible_at = now(), priority = $1 WHERE id <= 2000", priority)
    await database.execute("DELETE FROM queue_messages WHERE id > 3000")
    async with database.transaction():
        await database.execute("SELECT 1 FROM queue_messages WHERE id <= 1500 FOR UPDATE")
        claim = await message_queries.claim(connection, "q", [ReceiveOrder("c", 10, 30)], ClaimStart())
    assert [message.id for message in claim.messages[0]] == list(range(1501, 1511))


@both_claims
async def test_a_claim_does_not_read_what_is_leased_or_delayed(
    connection: AsyncConnection, database: asyncpg.Connection, statement: TextClause
) -> None:
    await database.execute("""
        UPDATE queue_messages SET visible_at = now() + interval '1 hour', lease_expires_at = now() + interval '1 hour'
        WHERE id % 10 > 0
    """)
    await database.execute("VACUUM queue_messages")
    assert blocks(await explain_claim(connection, ClaimStart(), statement)) < FEW_BLOCKS


@both_claims
async def test_a_claim_does_not_wade_through_what_has_passed_though_nothing_could_be_vacuumed(
    connection: AsyncConnection, database: asyncpg.Connection, statement: TextClause
) -> None:
    # An old snapshot keeps every dead tuple, as a long backup does.
    async with database.transaction(isolation="repeatable_read"):
        await database.fetchval("SELECT count(*) FROM queues")
        start = await pass_through(connection, 30)
        from_the_start = await explain_claim(connection, ClaimStart(), statement)
        from_the_head = await explain_claim(connection, start, statement)
    assert dead_rows_met(from_the_start) >= 30_000
    # Those of the last claim, which had not passed when it looked where the line begins.
    assert dead_rows_met(from_the_head) < 3_000


async def test_sends_and_acknowledgements_reach_their_rows_by_key(connection: AsyncConnection) -> None:
    ids = await send_queries.send(connection, "q", [NewMessage(b"1", 1)] * 10)
    assert ids == sorted(ids)
    acknowledge = text(f"EXPLAIN (FORMAT JSON) {message_queries.ACKNOWLEDGE.text}")
    found = await connection.execute(acknowledge, {"queue": "q", "ids": [1], "tokens": []})
    assert {index for _, index in scans(found.scalar_one()[0]["Plan"]) if index} == {"queue_messages_pkey"}


async def test_a_group_costs_the_same_however_long_it_is_and_however_many_there_are(
    connection: AsyncConnection, database: asyncpg.Connection
) -> None:
    read = {}
    for messages, groups in ((100, 1), (WAITING, 1), (WAITING, WAITING)):
        await fill_groups(database, messages, groups)
        # The first step of a connection reads what it keeps from then on.
        await blocks_of_a_step(connection, database)
        read[messages, groups] = await blocks_of_a_step(connection, database)
    assert max(read.values()) < min(2 * min(read.values()) + 40, FEW_BLOCKS)


async def test_a_claim_with_priorities_does_not_read_what_waits(
    connection: AsyncConnection, database: asyncpg.Connection
) -> None:
    await database.execute("UPDATE queue_messages SET priority = 1 + id % 9 WHERE id % 2 = 0")
    await database.execute("VACUUM queue_messages")
    claim = await message_queries.claim(connection, "q", [ReceiveOrder("c", 10, 30)], ClaimStart())
    assert {message.priority for message in claim.messages[0]} == {9}
    assert blocks(await explain_claim(connection, ClaimStart())) < FEW_BLOCKS
    # One message of a priority among all others: it comes first, and the others are not read either.
    await database.execute("UPDATE queue_messages SET priority = 0 WHERE id < 99990")
    await database.execute("UPDATE queue_messages SET priority = 0 WHERE id > 99992")
    await database.execute("VACUUM queue_messages")
    plan = await explain_claim(connection, ClaimStart())
    assert blocks(plan) < FEW_BLOCKS
