"""What a statement costs does not follow from statistics: taken of a short queue, they are used on a long one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from api_service.lease_queues import (
    deletion,
    message_queries,
    queue_queries,
    redrive_queries,
    send_queries,
    single_message_queries,
    upkeep_queries,
)
from api_service.lease_queues.lease_queues import PLANNER_SETTINGS
from api_service.lease_queues.sqs import lease_queries as sqs_lease_queries
from api_service.lease_queues.sqs import move_queries as sqs_move_queries

FULL = 20_000
# Of a table that was full, and was emptied and vacuumed before they were taken.
DRAINED = -1
TABLES = "queue_messages, queue_deduplications"
STATISTICS_TAKEN_AT = (0, 2, 30, DRAINED, FULL)

# Messages in all states, side by side, some of groups and some of a priority.
FILL = """
    INSERT INTO queue_messages (queue_id, payload, payload_bytes, group_id, priority, visible_at, lease_expires_at)
    SELECT id, '1', 1, CASE WHEN number % 7 = 0 THEN 'g' || number % 3 END, CASE WHEN number % 11 = 0 THEN 5 ELSE 0 END,
           CASE number % 5 WHEN 1 THEN now() - interval '1 hour' WHEN 2 THEN now() + interval '1 hour'
                           WHEN 3 THEN 'infinity' WHEN 4 THEN now() + interval '2 hours' END,
           CASE number % 5 WHEN 2 THEN now() + interval '1 hour' WHEN 3 THEN now() - interval '1 hour' END
    FROM queues, generate_series(1, $1) AS number
"""

FILL_DEDUPLICATIONS = """
    INSERT INTO queue_deduplications (queue_id, deduplication_id, message_id, expires_at)
    SELECT id, gen_random_uuid(), number,
           now() + CASE WHEN number % 5 = 0 THEN -interval '1 hour' ELSE interval '1 hour' END
    FROM queues, generate_series(1, $1) AS number
"""

NO_TOKEN = "00000000-0000-0000-0000-000000000000"
ARGUMENTS: dict[str, Any] = {
    "queue": "'q'",
    "queue_id": "(SELECT id FROM queues)",
    "hidden_from": "NULL",
    "head_id": "0",
    "wanted": "10",
    "limits": "'{10}'",
    "last_places": "'{10}'",
    "consumers": "'{c}'",
    "timeouts": "'{30}'",
    "send_lock": "1",
    "payloads": "'{1}'",
    "payload_bytes": "'{1}'",
    "delays": "'{0}'",
    "deliver_ats": "'{2026-01-01}'",
    "group_ids": "'{g1}'",
    "priorities": "'{0}'",
    "headers": "'{NULL}'",
    "ids": "'{1,2,3}'",
    "tokens": f"'{{{NO_TOKEN},{NO_TOKEN},{NO_TOKEN}}}'",
    "id": "3",
    "token": f"'{NO_TOKEN}'",
    "seconds": "'{5,5,5}'",
    "died_before": "NULL",
    "target_id": "2",
    "deduplication_ids": "'{k}'",
    "consumer_id": "'c'",
    "name": "'q'",
    "offset": "0",
    "limit": "10",
    "after": "0",
    "max_bytes": "1000000",
    "after_id": "0",
    "after_time": "'-infinity'",
    "last": "1000000000",
    "last_id": "1000000000",
    "only_held": "true",
    "begun": "'2100-01-01'",
    "step": "1000",
}
OTHER_ARGUMENTS: dict[str, dict[str, str]] = {
    "counts of queues": {"after": "''"},
    "RECEIVE_AGAIN 0": {"seconds": "5"},
    "REMEMBER 0": {"ids": "'{1}'"},
}


MODULES = (
    deletion,
    message_queries,
    queue_queries,
    redrive_queries,
    send_queries,
    single_message_queries,
    upkeep_queries,
    sqs_lease_queries,
    sqs_move_queries,
)


class Statement(NamedTuple):
    name: str
    text: TextClause


def statements() -> list[Statement]:
    """Every one of these modules: one that is forgotten here fails the test below."""
    found = [
        Statement("counts of queues", queue_queries._QUEUES_WITH_COUNTS),
        # What triggers do where a message of a group goes.
        Statement(
            "next of a group", text("SELECT open_next_of_group(:queue_id, 'g1', now()) FROM queue_messages LIMIT 1")
        ),
    ]
    for module in MODULES:
        for name, value in vars(module).items():
            found += [Statement(f"{name} {index}", each) for index, each in enumerate(_texts(value))]
    return [each for each in found if _is_of_many(each.text.text) and each.name != "_QUEUES_WITH_COUNTS 0"]


def _is_of_many(statement: str) -> bool:
    return "queue_messages" in statement or "queue_deduplications" in statement


def _texts(value: object) -> list[TextClause]:
    if isinstance(value, TextClause):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, tuple | list) else []


async def blocks_read(database_url: str, taken_at: int) -> dict[str, int]:
    """By each statement, planned with statistics of so many messages and run on many."""
    connection = await asyncpg.connect(database_url, server_settings=PLANNER_SETTINGS, statement_cache_size=0)
    try:
        await connection.execute(f"TRUNCATE {TABLES}, queues, queue_subscriptions RESTART IDENTITY")
        await connection.execute("INSERT INTO queues (name) VALUES ('q')")
        await _fill(connection, FULL if taken_at == DRAINED else taken_at)
        if taken_at == DRAINED:
            await connection.execute("DELETE FROM queue_messages")
            await connection.execute("DELETE FROM queue_deduplications")
            await connection.execute(f"VACUUM {TABLES}")
        await connection.execute(f"ANALYZE {TABLES}")
        executions = {each.name: await _prepare(connection, each, number) for number, each in enumerate(statements())}
        if taken_at != FULL:
            await _fill(connection, FULL)
        return {name: await _blocks(connection, execution) for name, execution in executions.items()}
    finally:
        await connection.close()


async def _fill(connection: asyncpg.Connection, count: int) -> None:
    for fill in (FILL, FILL_DEDUPLICATIONS):
        await connection.execute(fill.replace("$1", str(count)))


async def _prepare(connection: asyncpg.Connection, statement: Statement, number: int) -> str:
    """The execution of a statement whose plan is made now and kept."""
    compiled = statement.text.compile(dialect=asyncpg_dialect.dialect())  # type: ignore[no-untyped-call]
    names: Sequence[str] = compiled.positiontup or ()
    await connection.execute(f"PREPARE s{number} AS {compiled}")
    values = {**ARGUMENTS, **OTHER_ARGUMENTS.get(statement.name, {})}
    arguments = f"({', '.join(values[name] for name in names)})" if names else ""
    # A subquery is no argument: it is looked up.
    arguments = arguments.replace("(SELECT id FROM queues)", str(await connection.fetchval("SELECT id FROM queues")))
    await connection.fetch(f"EXPLAIN EXECUTE s{number}{arguments}")
    return f"s{number}{arguments}"


async def _blocks(connection: asyncpg.Connection, execution: str) -> int:
    transaction = connection.transaction()
    await transaction.start()
    try:
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {execution}")
    finally:
        await transaction.rollback()
    (explained,) = json.loads(found)
    return int(explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"])


async def test_no_statement_depends_on_the_statistics(database_url: str, database: asyncpg.Connection) -> None:
    # Else the plans would be made anew in the middle of it.
    for table in TABLES.split(", "):
        await database.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    read = {taken_at: await blocks_read(database_url, taken_at) for taken_at in STATISTICS_TAKEN_AT}
    dependent = {
        name: costs
        for name in read[FULL]
        # A few blocks more are a level of an index, a page that was extended, or a message in another state.
        if max(costs := [read[taken_at][name] for taken_at in STATISTICS_TAKEN_AT]) > 2 * min(costs) + 25
    }
    assert dependent == {}
    assert len(read[FULL]) >= 20
