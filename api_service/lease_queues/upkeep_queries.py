"""The statements that purge and redrive, step by step: each looks at a bounded number of messages, whatever it finds.

What a step looks at is read in the order of one index, so that no step reads again what the one before has seen, and
what it changes is found by the primary key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.queue_queries import STATES, MessageState

# So few that no lock lasts. Those that a step redrives are due at one moment, and claims meet them together.
STEP_MESSAGES: Final = 2000


class Cursor(NamedTuple):
    """The last message that was looked at, in the order of the index that is read."""

    visible_at: str = "-infinity"
    id: int = 0


class Step(NamedTuple):
    looked_at: int
    changed: int
    cursor: Cursor


_BY_ID: Final = ("id > :after_id", "queue_id, id", "id DESC")
_BY_TIME: Final = (
    "(visible_at, id) > (CAST(CAST(:after_time AS text) AS timestamptz), :after_id)",
    "queue_id, visible_at, id",
    "visible_at DESC, id DESC",
)
_PURGE: Final = "DELETE FROM queue_messages"
_REDRIVE: Final = """
    UPDATE queue_messages
    SET visible_at = now(), lease_expires_at = NULL, receipt = NULL, consumer_id = NULL, receive_count = 0
"""


def _step(change: str, part: str, condition: str, order: tuple[str, str, str]) -> TextClause:
    """`part` is a range of the index that `order` belongs to. Without `coalesce` a partial index would seem to fit."""
    after, forwards, backwards = order
    return text(f"""
        WITH looked_at AS MATERIALIZED (
            SELECT visible_at, id, {condition} AS matches FROM queue_messages
            WHERE queue_id = :queue_id AND {part} AND {after} AND id <= :last
            ORDER BY {forwards} LIMIT :step
        ), changed AS (
            {change}
            WHERE queue_id = :queue_id AND id = ANY(ARRAY(SELECT id FROM looked_at WHERE matches))
              AND coalesce({condition}, false)
            RETURNING id
        )
        SELECT (SELECT count(*) FROM looked_at) AS looked_at, (SELECT count(*) FROM changed) AS changed,
               CAST(visible_at AS text) AS visible_at, id
        FROM looked_at ORDER BY {backwards} LIMIT 1
    """)  # noqa: S608 - constants of this module


# The state of a message is a range of one of the indexes, and what its lease says besides.
_PURGES: Final[dict[MessageState | None, Sequence[TextClause]]] = {
    None: [_step(_PURGE, "true", "true", _BY_ID)],
    "visible": [
        _step(_PURGE, "visible_at IS NULL", STATES["visible"], _BY_ID),
        _step(_PURGE, "visible_at <= now()", STATES["visible"], _BY_TIME),
    ],
    "inFlight": [_step(_PURGE, "visible_at > now()", STATES["inFlight"], _BY_TIME)],
    "delayed": [_step(_PURGE, "visible_at > now() AND visible_at < 'infinity'", STATES["delayed"], _BY_TIME)],
    "dead": [_step(_PURGE, "visible_at >= 'infinity'", STATES["dead"], _BY_TIME)],
}
PURGES: Final = {state: tuple(statements) for state, statements in _PURGES.items()}
REDRIVES: Final = (_step(_REDRIVE, "visible_at >= 'infinity'", STATES["dead"], _BY_TIME),)

_LAST_ID = text("SELECT max(id) FROM queue_messages WHERE queue_id = :queue_id")


async def last_message_id(connection: AsyncConnection, queue_id: int) -> int:
    """0 when there is none."""
    return int((await connection.execute(_LAST_ID, {"queue_id": queue_id})).scalar_one() or 0)


async def take_step(
    connection: AsyncConnection, statement: TextClause, queue_id: int, cursor: Cursor, last: int
) -> Step:
    """One of `PURGES` or `REDRIVES`, for messages past the cursor with ids up to `last`."""
    parameters = {
        "queue_id": queue_id,
        "after_id": cursor.id,
        "last": last,
        "step": STEP_MESSAGES,
        "after_time": cursor.visible_at,
    }
    used = {name: value for name, value in parameters.items() if f":{name}" in statement.text}
    row = (await connection.execute(statement, used)).one_or_none()
    if row is None:
        return Step(0, 0, cursor)
    return Step(row.looked_at, row.changed, Cursor(row.visible_at or cursor.visible_at, row.id))
