"""Brings the dead-letter queue and its table together again when they are strangers, as after a restore.

The table is the truth. What the queue lacks of it goes into the outbox, from which the consumers' sweep publishes it,
and letters of rows that the table does not know are dropped. Uploads may be running meanwhile. That is done once for
each pair of queue and database (`queue_acquaintance`): letters that somebody takes out of the queue later are not put
back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api_service.dead_letters.queries import outstanding_among
from api_service.dead_letters.queue_acquaintance import acquaint, are_acquainted, marker_of
from api_service.dead_letters.rotation import SeenLetters, open_rotation
from api_service.dead_letters.stale_letters import dead_letters_locked
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.topology import DEAD_LETTERS_EXCHANGE, MALFORMED_KEY
from shared.database.engine import DATABASE_ERRORS
from shared.dead_letters.identity import Letter, MalformedLetter, RowLetter, letter_id
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from shared.amqp.publisher import Publisher
    from shared.service.settings import SharedSettings

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 60
ROWS_A_BATCH: Final = 5000
# As many as the consumers publish in one go.
LETTERS_AN_ENTRY: Final = 500

# The rows as they were at one moment before the queue is turned: those without an entry of the outbox have their letter
# in it by then, or have lost it. What dies later, or has its letter published meanwhile, is nobody's loss.
_NOTE_ROWS = (
    # One that a turn which failed has left in this session.
    text("DROP TABLE IF EXISTS pg_temp.rows_before_turn"),
    text("""
        CREATE TEMPORARY TABLE rows_before_turn AS
        SELECT dead_at, upload_id, row_number, attempt,
               EXISTS (SELECT FROM unpublished_letters AS entry
                       WHERE entry.upload_id = row.upload_id AND row_number BETWEEN entry.first_row AND entry.last_row
                         AND entry.dead_at = row.dead_at) AS waits
        FROM rejected_rows AS row
        WHERE discarded_at IS NULL
    """),
    text("CREATE INDEX ON pg_temp.rows_before_turn (dead_at, upload_id, row_number)"),
)
_FORGET_ROWS = text("DROP TABLE pg_temp.rows_before_turn")

_ROWS = text("""
    SELECT dead_at, upload_id, row_number, attempt, waits
    FROM pg_temp.rows_before_turn
    WHERE (dead_at, upload_id, row_number) > (:dead_at, :upload_id, :row_number)
    ORDER BY dead_at, upload_id, row_number LIMIT :limit
""")
_BEGINNING: Final = {"dead_at": datetime(2000, 1, 1, tzinfo=UTC), "upload_id": UUID(int=0), "row_number": 0}

_FILL_OUTBOX = text("""
    INSERT INTO unpublished_letters (upload_id, first_row, last_row, dead_at)
    SELECT * FROM unnest(CAST(:upload_ids AS uuid[]), CAST(:first_rows AS bigint[]), CAST(:last_rows AS bigint[]),
                         CAST(:dead_ats AS timestamptz[]))
""")

_MALFORMED = text("""
    SELECT id FROM malformed_messages WHERE discarded_at IS NULL AND published_at IS NOT NULL ORDER BY dead_at, id
""")
_BODY = text("SELECT body FROM malformed_messages WHERE id = :id AND discarded_at IS NULL")


class LostRows(NamedTuple):
    """Rows without letters that died in one transaction, and none between them that has one: an entry of the outbox."""

    upload_id: UUID
    first_row: int
    last_row: int
    dead_at: datetime
    letters: int


async def keep_letters_complete(engine: AsyncEngine, publisher: Publisher, settings: SharedSettings) -> None:
    """For ever; what fails is tried again at the next turn."""
    while True:
        try:
            await bring_together(engine, publisher, settings)
        except (*DATABASE_ERRORS, BrokerUnavailable) as error:
            log.info("dead letters not compared with their table", **describe_error(error))
        await asyncio.sleep(LOOK_SECONDS)


async def bring_together(engine: AsyncEngine, publisher: Publisher, settings: SharedSettings) -> int:
    """How many lost letters will be in the queue again. Raises `BrokerUnavailable`.

    0 if queue and database know each other, or another process has the queue in hand.
    """
    async with engine.connect() as connection:
        marker = await marker_of(connection)
    if await are_acquainted(settings, marker):
        return 0
    async with dead_letters_locked(engine) as connection_with_lock:
        # Another replica may have done it since.
        if connection_with_lock is None or await are_acquainted(settings, marker):
            return 0
        restored = await _restore(connection_with_lock, publisher, settings)
        await acquaint(settings, marker)
    if restored:
        log.warning("letters that the dead-letter queue lacked are published again", letters=restored)
    return restored


async def _restore(connection: AsyncConnection, publisher: Publisher, settings: SharedSettings) -> int:
    seen = SeenLetters()

    async def keep(letters: Sequence[Letter]) -> set[Letter]:
        rows, malformed = await outstanding_among(connection, letters)
        kept: set[Letter] = malformed | {row.letter for row in rows}
        for letter in kept:
            seen.add(letter)
        return kept

    for statement in _NOTE_ROWS:
        await connection.execute(statement)
    malformed = (await connection.execute(_MALFORMED)).scalars().all()
    async with open_rotation(settings, publisher) as rotation:
        await rotation.run(keep)
    restored = await _restore_rows(connection, seen)
    return restored + await _restore_malformed(connection, seen, publisher, malformed)


async def _restore_rows(connection: AsyncConnection, seen: SeenLetters) -> int:
    restored = 0
    after: dict[str, Any] = dict(_BEGINNING)
    while rows := (await connection.execute(_ROWS, {**after, "limit": ROWS_A_BATCH})).all():
        lost = list(_lost_among(rows, seen))
        if lost:
            await connection.execute(
                _FILL_OUTBOX,
                {
                    "upload_ids": [each.upload_id for each in lost],
                    "first_rows": [each.first_row for each in lost],
                    "last_rows": [each.last_row for each in lost],
                    "dead_ats": [each.dead_at for each in lost],
                },
            )
        restored += sum(each.letters for each in lost)
        last = rows[-1]
        after = {"dead_at": last.dead_at, "upload_id": last.upload_id, "row_number": last.row_number}
    await connection.execute(_FORGET_ROWS)
    return restored


def _lost_among(rows: Iterable[Any], seen: SeenLetters) -> Iterator[LostRows]:
    """Of rows in the order of their keys."""
    run: LostRows | None = None
    for row in rows:
        if row.waits or RowLetter(row.upload_id, row.row_number, row.attempt) in seen:
            following = None
        elif run is not None and _goes_on(run, row):
            run = run._replace(last_row=row.row_number, letters=run.letters + 1)
            continue
        else:
            following = LostRows(row.upload_id, row.row_number, row.row_number, row.dead_at, 1)
        if run is not None:
            yield run
        run = following
    if run is not None:
        yield run


def _goes_on(run: LostRows, row: Any) -> bool:
    return (run.upload_id, run.dead_at) == (row.upload_id, row.dead_at) and run.letters < LETTERS_AN_ENTRY


async def _restore_malformed(
    connection: AsyncConnection, seen: SeenLetters, publisher: Publisher, ids: Iterable[UUID]
) -> int:
    """As much of their bodies as the table has."""
    restored = 0
    for letter in (MalformedLetter(each) for each in ids):
        if letter in seen:
            continue
        body = (await connection.execute(_BODY, {"id": letter.id})).scalar_one_or_none()
        if body is None:
            continue
        identity = letter_id(letter)
        await publisher.publish(
            DEAD_LETTERS_EXCHANGE, MALFORMED_KEY, body.encode(), message_id=identity, correlation_id=identity
        )
        restored += 1
    return restored
