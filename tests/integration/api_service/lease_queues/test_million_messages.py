"""A claim reads no more of a queue with a million messages than of one with a hundred, whatever they wait for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import asyncpg
import pytest

from api_service.lease_queues import send_queries
from api_service.lease_queues.message_queries import ClaimStart
from tests.support.claim_plans import FEW_BLOCKS, blocks, blocks_of_a_step, explain_claim, fill_groups, queue_connection

MILLION = 1_000_000
# Behind these, so that a claim has to find them past the others.
RECEIVABLE = 100

pytestmark = pytest.mark.long


Fill = Callable[[asyncpg.Connection, int], Awaitable[None]]


def of_time(visible_at: str) -> Fill:
    """So many that become visible then, and some in line."""

    async def fill(database: asyncpg.Connection, messages: int) -> None:
        await database.execute("TRUNCATE queue_messages")
        for count, when in ((messages, visible_at), (RECEIVABLE, "NULL")):
            await database.execute(
                "INSERT INTO queue_messages (queue_id, payload, payload_bytes, visible_at) "
                f"SELECT id, '1', 1, CAST({when} AS timestamptz) FROM queues, generate_series(1, {count})"
            )
        await database.execute("VACUUM queue_messages")

    return fill


async def one_group(database: asyncpg.Connection, messages: int) -> None:
    await fill_groups(database, messages, 1)


async def a_group_each(database: asyncpg.Connection, messages: int) -> None:
    await fill_groups(database, messages, messages)


KINDS: dict[str, Fill] = {
    "waiting": of_time("NULL"),
    "delayed": of_time("now() + interval '1 hour'"),
    "due at once": of_time("now() - interval '1 minute'"),
    "in one group": one_group,
    "a group each": a_group_each,
}


class Read(NamedTuple):
    """Blocks of a claim of ten, and of a claim, an acknowledgement and a send of one."""

    claim: int
    step: int


async def test_a_claim_reads_no_more_of_a_million(database_url: str, database: asyncpg.Connection) -> None:
    # It would be counted with the claims.
    await database.execute("ALTER TABLE queue_messages SET (autovacuum_enabled = off)")
    async with queue_connection(database_url) as connection:
        await send_queries.open_queue(connection, "q")

        async def read(fill: Fill, messages: int) -> Read:
            await fill(database, messages)
            # The first step of a connection reads what it keeps from then on.
            await blocks_of_a_step(connection, database)
            step = await blocks_of_a_step(connection, database)
            return Read(blocks(await explain_claim(connection, ClaimStart())), step)

        found = {name: (await read(fill, 100), await read(fill, MILLION)) for name, fill in KINDS.items()}
    assert {
        name: reads
        for name, reads in found.items()
        # A million have a level or two more in each index.
        if any(of_many > min(2 * of_few + 40, FEW_BLOCKS) for of_few, of_many in zip(*reads, strict=True))
    } == {}, found
