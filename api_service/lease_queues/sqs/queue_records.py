"""Queues as SQS sees them: what the lease queues' own settings say of each, and what is kept for this door alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.lease_queues.sqs.errors import QueueMissing

FIFO_SUFFIX = ".fifo"

_COLUMNS = (
    "id, name, max_receives, visibility_timeout_seconds, retention_seconds, dead_letter_queue, created_at, "
    "CAST(sqs AS text) AS sqs"
)
_FIND = text(f"SELECT {_COLUMNS} FROM queues WHERE name = ANY(CAST(:names AS text[]))")  # noqa: S608 - constants
_LOCK = text(f"SELECT {_COLUMNS} FROM queues WHERE name = :name FOR UPDATE")  # noqa: S608 - constants of this module
_CREATE = text(f"""
    INSERT INTO queues (name, max_receives, visibility_timeout_seconds, retention_seconds, dead_letter_queue, sqs)
    VALUES (:name, :max_receives, :visibility_timeout_seconds, :retention_seconds, :dead_letter_queue,
            CAST(:sqs AS json))
    ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
""")  # noqa: S608 - constants of this module
_CHANGE = text("""
    UPDATE queues
    SET max_receives = :max_receives, visibility_timeout_seconds = :visibility_timeout_seconds,
        retention_seconds = :retention_seconds, dead_letter_queue = :dead_letter_queue, sqs = CAST(:sqs AS json)
    WHERE id = :id
""")
# In bytes, so that a prefix is one range whatever the language of the database is.
_NAMES = text("""
    SELECT name FROM queues WHERE starts_with(name, :prefix) AND name COLLATE "C" > :after
    ORDER BY name COLLATE "C" LIMIT :limit
""")
_SOURCES = text("""
    SELECT name FROM queues
    WHERE dead_letter_queue = :name AND name COLLATE "C" > :after
    ORDER BY name COLLATE "C" LIMIT :limit
""")


class OwnRecord(msgspec.Struct, omit_defaults=True):
    """What the column `queues.sqs` holds: attributes as they were set."""

    attributes: dict[str, str] = {}
    tags: dict[str, str] = {}
    modified_at: int = 0


class SqsQueue(NamedTuple):
    id: int
    name: str
    max_receives: int
    visibility_timeout_seconds: int
    # None: kept until it is deleted, as only a queue of the other door is.
    retention_seconds: int | None
    dead_letter_queue: str | None
    created_at: int
    own: OwnRecord

    @property
    def is_fifo(self) -> bool:
        return self.name.endswith(FIFO_SUFFIX)

    def number(self, attribute: str, default: int) -> int:
        return int(self.own.attributes.get(attribute, default))

    def text(self, attribute: str, default: str) -> str:
        return self.own.attributes.get(attribute, default)


async def find(connection: AsyncConnection, names: Sequence[str]) -> Sequence[SqsQueue | None]:
    found = {row.name: _queue(row) for row in await connection.execute(_FIND, {"names": sorted(set(names))})}
    return [found.get(name) for name in names]


async def locked(connection: AsyncConnection, name: str) -> SqsQueue:
    """For whoever changes it in this transaction. Raises `QueueMissing`."""
    row = (await connection.execute(_LOCK, {"name": name})).one_or_none()
    if row is None:
        raise QueueMissing
    return _queue(row)


async def create(connection: AsyncConnection, queue: SqsQueue) -> bool:
    """False: there is one of this name."""
    return (await connection.execute(_CREATE, {"name": queue.name, **_parameters(queue)})).first() is not None


async def change(connection: AsyncConnection, queue: SqsQueue) -> None:
    await connection.execute(_CHANGE, {"id": queue.id, **_parameters(queue)})


async def names(connection: AsyncConnection, prefix: str, after: str, limit: int) -> Sequence[str]:
    parameters = {"prefix": prefix, "after": after, "limit": limit}
    return (await connection.execute(_NAMES, parameters)).scalars().all()


async def sources(connection: AsyncConnection, dead_letter_queue: str, after: str, limit: int) -> Sequence[str]:
    """The queues whose redrive policy names this one."""
    parameters = {"name": dead_letter_queue, "after": after, "limit": limit}
    return (await connection.execute(_SOURCES, parameters)).scalars().all()


def _queue(row: Row[Any]) -> SqsQueue:
    created_at = int(row.created_at.timestamp())
    own = OwnRecord(modified_at=created_at) if row.sqs is None else msgspec.json.decode(row.sqs, type=OwnRecord)
    return SqsQueue(
        row.id,
        row.name,
        row.max_receives,
        row.visibility_timeout_seconds,
        row.retention_seconds,
        row.dead_letter_queue,
        created_at,
        own,
    )


def _parameters(queue: SqsQueue) -> Mapping[str, Any]:
    own = msgspec.structs.replace(queue.own, modified_at=int(time.time()))
    return {
        "max_receives": queue.max_receives,
        "visibility_timeout_seconds": queue.visibility_timeout_seconds,
        "retention_seconds": queue.retention_seconds,
        "dead_letter_queue": queue.dead_letter_queue,
        "sqs": msgspec.json.encode(own).decode(),
    }
