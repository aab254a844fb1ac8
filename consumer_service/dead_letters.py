"""Takes rejected rows into the dead letters by way of an outbox: stored with their chunk, published after its commit.

The row in `rejected_rows` comes first and is the truth; its letter in the queue follows, at least once. The table
`unpublished_letters` is the outbox. An entry stands for a range of rows that died in one transaction, and so have its
`dead_at`.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import structlog
from sqlalchemy import text

from shared.amqp.publisher import persistent_message
from shared.amqp.topology import ROW_KEY
from shared.dead_letters.identity import RowLetter, letter_id
from shared.dead_letters.room import publish_if_room
from shared.errors import RowCode
from shared.messages import DeadLetterMessage, Fault, encode
from shared.rows.employee_row import storable

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from shared.amqp.publish_many import OutgoingMessage
    from shared.amqp.publisher import Publisher
    from shared.rows.rules.rule import RowFault

log = structlog.get_logger(__name__)

# A crash while the letters of an entry are published publishes them all once more.
LETTERS_PER_ENTRY = 500


class Reject(NamedTuple):
    row_number: int
    line_number: int
    code: RowCode
    field: str | None
    message: str
    cells: Sequence[str]
    other_faults: Sequence[RowFault] = ()


class UnpublishedLetters(NamedTuple):
    """An entry of the outbox, and the letters that it stands for."""

    entry_id: int
    letters: list[DeadLetterMessage]


# A conflict means that another delivery of the same chunk was faster. The ledger entry, which is inserted next, meets
# the same conflict, and then this transaction is rolled back.
_STORE = text("""
    WITH stored AS (
        INSERT INTO rejected_rows
            (upload_id, row_number, line_number, code, field, message, other_faults, cells, dead_at)
        SELECT :upload_id, row_number, line_number, code, field, message, CAST(other_faults AS jsonb),
               CAST(cells AS jsonb), now()
        FROM unnest(CAST(:row_numbers AS bigint[]), CAST(:line_numbers AS bigint[]), CAST(:codes AS text[]),
                    CAST(:fields AS text[]), CAST(:messages AS text[]), CAST(:other_faults AS text[]),
                    CAST(:cells AS text[]))
             AS reject (row_number, line_number, code, field, message, other_faults, cells)
        ON CONFLICT DO NOTHING
    )
    INSERT INTO unpublished_letters (upload_id, first_row, last_row, dead_at)
    SELECT :upload_id, first_row, last_row, now()
    FROM unnest(CAST(:first_rows AS bigint[]), CAST(:last_rows AS bigint[])) AS entry (first_row, last_row)
    RETURNING id, first_row
""")

# The lateral join and OFFSET 0 make Postgres find an entry's rows by their range. A cached plan may otherwise have been
# made when the table was empty, and scan all of it.
_ENTRIES = """
    SELECT entry.id AS entry_id, letter.*
    FROM unpublished_letters AS entry
    CROSS JOIN LATERAL (
        SELECT upload_id, row_number, line_number, attempt, code, field, message,
               CAST(other_faults AS text) AS other_faults, CAST(cells AS text) AS cells
        FROM rejected_rows
        WHERE upload_id = entry.upload_id AND row_number BETWEEN entry.first_row AND entry.last_row
          AND dead_at = entry.dead_at AND discarded_at IS NULL
        OFFSET 0
    ) AS letter
"""

ENTRIES_OF_ROWS = text(f"""
    {_ENTRIES}
    WHERE entry.upload_id = :upload_id AND entry.first_row <= :last_row AND entry.last_row >= :first_row
    ORDER BY entry.id, letter.row_number
""")

_ENTRY = text(f"{_ENTRIES} WHERE entry.id = :entry_id ORDER BY letter.row_number")

_LOCK_FORGOTTEN = text("""
    SELECT id FROM unpublished_letters
    WHERE dead_at < now() - make_interval(secs => :seconds)
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
""")

# It does not wait for the disk: an entry that comes back after a crash publishes its letters once more, which does no
# harm. It skips an entry that a sweep has locked, because the sweep deletes it itself.
_FORGET = text("""
    WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    DELETE FROM unpublished_letters USING unhurried
    WHERE id IN (SELECT id FROM unpublished_letters WHERE id = :entry_id FOR UPDATE SKIP LOCKED)
""")


async def store_rejects(
    connection: AsyncConnection, upload_id: uuid.UUID, rejects: Sequence[Reject]
) -> list[UnpublishedLetters]:
    """Store them in the caller's transaction. Returns the letters to publish once it has committed.

    Cells are made storable: neither `jsonb` nor JSON takes NUL or lone surrogates.
    """
    if not rejects:
        return []
    letters = [_first_letter(upload_id, reject) for reject in sorted(rejects)]
    parts = [letters[start : start + LETTERS_PER_ENTRY] for start in range(0, len(letters), LETTERS_PER_ENTRY)]
    entries = await connection.execute(
        _STORE,
        {
            "upload_id": upload_id,
            "row_numbers": [letter.row_number for letter in letters],
            "line_numbers": [letter.line_number for letter in letters],
            "codes": [letter.code for letter in letters],
            "fields": [letter.field for letter in letters],
            "messages": [letter.message for letter in letters],
            "other_faults": [msgspec.json.encode(letter.faults[1:]).decode() for letter in letters],
            "cells": [msgspec.json.encode(letter.cells).decode() for letter in letters],
            "first_rows": [part[0].row_number for part in parts],
            "last_rows": [part[-1].row_number for part in parts],
        },
    )
    entry_of = {entry.first_row: entry.id for entry in entries.all()}
    return [UnpublishedLetters(entry_of[part[0].row_number], part) for part in parts]


async def unpublished_letters_of(
    connection: AsyncConnection, upload_id: uuid.UUID, first_row: int, last_row: int
) -> list[UnpublishedLetters]:
    """The entries with letters of these rows that no broker has confirmed yet."""
    rows = await connection.execute(
        ENTRIES_OF_ROWS, {"upload_id": upload_id, "first_row": first_row, "last_row": last_row}
    )
    return [
        UnpublishedLetters(entry_id, [_letter(row) for row in of_entry])
        for entry_id, of_entry in groupby(rows.all(), key=lambda row: row.entry_id)
    ]


async def publish_letters(engine: AsyncEngine, publisher: Publisher, unpublished: list[UnpublishedLetters]) -> None:
    """Publish each entry's letters, delete the entry, and take it off the list, as long as their queue has room.

    What finds none stays in the outbox for the sweep. A crash between the two publishes the letters of an entry twice,
    under the same message ids. Raises `BrokerUnavailable` or a database error: the caller tries again with the rest of
    the list.
    """
    while unpublished:
        entry_id, letters = unpublished[0]
        if not await _publish(publisher, letters):
            log.warning("no room for dead letters: they wait", entries=len(unpublished))
            return
        async with engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(_FORGET, {"entry_id": entry_id})
        del unpublished[0]


async def publish_forgotten_letters(engine: AsyncEngine, publisher: Publisher, *, older_than_seconds: float) -> int:
    """Publish letters that found no room in their queue, or that a crash left in the outbox and no redelivery took.

    Returns their number. It leaves locked entries to the consumer that locked them.
    """
    published = 0
    while True:
        async with engine.begin() as connection:
            forgotten = await connection.execute(_LOCK_FORGOTTEN, {"seconds": older_than_seconds})
            entry_id = forgotten.scalar_one_or_none()
            if entry_id is None:
                return published
            letters = [_letter(row) for row in (await connection.execute(_ENTRY, {"entry_id": entry_id})).all()]
            if not await _publish(publisher, letters):
                return published
            await connection.execute(_FORGET, {"entry_id": entry_id})
        published += len(letters)


async def _publish(publisher: Publisher, letters: Sequence[DeadLetterMessage]) -> bool:
    """False when there is no room for them."""
    return not letters or await publish_if_room(publisher, ROW_KEY, map(_as_message, letters), count=len(letters))


def _as_message(letter: DeadLetterMessage) -> OutgoingMessage:
    identity = letter_id(RowLetter(letter.upload_id, letter.row_number, letter.attempt))
    return persistent_message(encode(letter), message_id=identity, correlation_id=identity)


def faults_json(faults: Iterable[RowFault]) -> str:
    """As the column `other_faults` holds them."""
    return msgspec.json.encode([Fault(*fault) for fault in faults]).decode()


def _first_letter(upload_id: uuid.UUID, reject: Reject) -> DeadLetterMessage:
    return DeadLetterMessage(
        upload_id=upload_id,
        row_number=reject.row_number,
        line_number=reject.line_number,
        attempt=1,
        code=str(reject.code),
        field=reject.field,
        message=reject.message,
        faults=[
            Fault(str(reject.code), reject.field, reject.message),
            *(Fault(*fault) for fault in reject.other_faults),
        ],
        cells=storable(reject.cells),
    )


def _letter(row: Any) -> DeadLetterMessage:
    return DeadLetterMessage(
        upload_id=row.upload_id,
        row_number=row.row_number,
        line_number=row.line_number,
        attempt=row.attempt,
        code=row.code,
        field=row.field,
        message=row.message,
        faults=[Fault(row.code, row.field, row.message), *msgspec.json.decode(row.other_faults, type=list[Fault])],
        cells=msgspec.json.decode(row.cells, type=list[str]),
    )
