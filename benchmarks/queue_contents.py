"""Brings lease queues to many messages, or to none."""

from __future__ import annotations

import asyncpg


async def empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("TRUNCATE queue_messages")
    await connection.close()


async def fill(url: str, queue: str, count: int, payload: str, *, groups: int = 0, priorities: int = 1) -> int:
    """Bring the queue to so many messages in line, and leave the server nothing to catch up with.

    They are spread over so many groups and priorities.

    How many there are: more than asked for if they were there before.
    """
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO queues (name) VALUES ($1) ON CONFLICT DO NOTHING", queue)
    there = await connection.fetchval(
        "SELECT count(*) FROM queue_messages JOIN queues ON queue_id = queues.id WHERE name = $1", queue
    )
    if there < count:
        await connection.execute(
            """
            INSERT INTO queue_messages (queue_id, payload, payload_bytes, group_id, priority)
            SELECT id, CAST($2::text AS json), length($2::text), 'g' || number % nullif($4::int, 0),
                   number % $5::int
            FROM queues, generate_series(1, $3::int) AS number WHERE name = $1
            """,
            queue,
            payload,
            count - there,
            groups,
            priorities,
            timeout=600,
        )
        await connection.execute("VACUUM ANALYZE queue_messages", timeout=600)
        await connection.execute("CHECKPOINT", timeout=600)
    await connection.close()
    return max(int(there), count)
