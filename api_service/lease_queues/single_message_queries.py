"""The statements that look at one message and cancel it, by its id."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.queue_queries import MESSAGE_COLUMNS, STATES
from shared.database.advisory_locks import LEASE_QUEUE_SENDS

_MESSAGE = text(f"""
    SELECT {MESSAGE_COLUMNS} FROM queue_messages WHERE queue_id = :queue_id AND id = :id
""")  # noqa: S608 - constants of these modules

# A claim that has the row locked is waited for, and then it is in flight. Of a group the queue's lock comes first, as
# for whoever opens the next one.
_CANCEL = text(f"""
    WITH locked AS MATERIALIZED (
        SELECT pg_advisory_xact_lock(:send_lock, queue_id) FROM queue_messages
        WHERE queue_id = :queue_id AND id = :id AND coalesce(group_id, '') <> ''
    )
    DELETE FROM queue_messages
    WHERE queue_id = :queue_id AND id = :id AND NOT coalesce({STATES["inFlight"]}, false)
      AND (SELECT count(*) FROM locked) < 2
    RETURNING id
""")  # noqa: S608 - constants of these modules


async def message(connection: AsyncConnection, queue_id: int, message_id: int) -> Row[Any] | None:
    """As a listing shows it; None when the queue has no such message."""
    return (await connection.execute(_MESSAGE, {"queue_id": queue_id, "id": message_id})).one_or_none()


async def cancel(connection: AsyncConnection, queue_id: int, message_id: int) -> bool:
    """Delete a message that nobody holds. False: there is none, or somebody holds it."""
    parameters = {"send_lock": LEASE_QUEUE_SENDS, "queue_id": queue_id, "id": message_id}
    return (await connection.execute(_CANCEL, parameters)).first() is not None
