"""Tries rejected rows again: a row that succeeds leaves the dead letters and changes its upload's counts, once.

A correction is a redrive with cells of its own (`corrected_rows`). Neither looks at the ledger or the upload's state.
The attempt makes it happen once: under a lock, a row is touched only while it stands at the attempt that the request
names, and every outcome changes that.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import structlog
from sqlalchemy import text

from consumer_service.corrected_rows import CorrectedRows
from consumer_service.dead_letters import UnpublishedLetters, faults_json, unpublished_letters_of
from consumer_service.employee_writer import Written
from consumer_service.erased_people import read_erased_people
from consumer_service.named_emails import note_named_emails
from consumer_service.row_check import rows_check
from consumer_service.row_markers import open_markers
from consumer_service.row_results import RawRows
from consumer_service.row_writer import Target, blames_a_row, write_at_once, write_one_by_one
from shared.database.row_notes import as_bits
from shared.database.suppressions import Suppressions
from shared.database.upload_layout import LAYOUT_COLUMNS, layout_of
from shared.errors import RowCode
from shared.messages import CorrectionRequest, RedriveRequest
from shared.service.telemetry import describe_error
from shared.upload_status import UNDO_STATES

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from consumer_service.dead_letters import Reject
    from consumer_service.row_markers import RowMarkers
    from consumer_service.settings import ConsumerSettings
    from shared.service.failpoints import Failpoints

    PublishLetters = Callable[[list[UnpublishedLetters]], Awaitable[None]]

log = structlog.get_logger(__name__)

# What is left of such a row after the reader had it must never pass for the row.
_REFUSED_IN_READING = (RowCode.ROW_TOO_LONG, RowCode.MALFORMED_QUOTES, RowCode.ERASED_PERSON)

# This is the lock of the final state change: no chunk commits and no state changes while counts are moved.
_LOCK_UPLOAD = text(f"""
    SELECT status, sequence, on_duplicate, absent_scope, {LAYOUT_COLUMNS}
    FROM uploads WHERE id = :upload_id FOR UPDATE
""")  # noqa: S608 - a constant

_CHUNKS_OF = text("""
    SELECT r.row_number, c.first_row
    FROM unnest(CAST(:row_numbers AS bigint[])) AS r (row_number)
    CROSS JOIN LATERAL (
        SELECT first_row FROM upload_chunks
        WHERE upload_id = :upload_id AND first_row <= r.row_number ORDER BY first_row DESC LIMIT 1
    ) AS c
    ORDER BY r.row_number
""")

_LOCK_ROWS = text("""
    SELECT r.row_number, r.line_number, r.code, r.message, CAST(r.cells AS text) AS cells
    FROM rejected_rows AS r
    JOIN unnest(CAST(:row_numbers AS bigint[]), CAST(:attempts AS int[])) AS wanted (row_number, attempt)
      ON wanted.row_number = r.row_number AND wanted.attempt = r.attempt
    WHERE r.upload_id = :upload_id AND r.row_number = ANY(CAST(:row_numbers AS bigint[])) AND r.discarded_at IS NULL
    ORDER BY r.row_number FOR UPDATE OF r
""")

_REMOVE = text("DELETE FROM rejected_rows WHERE upload_id = :upload_id AND row_number = ANY(:row_numbers)")

_DEAD_AGAIN = text("""
    WITH dead_again AS (
        UPDATE rejected_rows AS r
        SET attempt = r.attempt + 1, code = again.code, field = again.field, message = again.message,
            other_faults = CAST(again.other_faults AS jsonb), dead_at = now()
        FROM unnest(CAST(:row_numbers AS bigint[]), CAST(:codes AS text[]), CAST(:fields AS text[]),
                    CAST(:messages AS text[]), CAST(:other_faults AS text[]))
             AS again (row_number, code, field, message, other_faults)
        WHERE r.upload_id = :upload_id AND r.row_number = ANY(CAST(:row_numbers AS bigint[]))
          AND r.row_number = again.row_number
        RETURNING r.row_number
    )
    INSERT INTO unpublished_letters (upload_id, first_row, last_row, dead_at)
    SELECT :upload_id, min(row_number), max(row_number), now() FROM dead_again HAVING count(*) > 0
""")

_CHUNK = text("""
    SELECT CAST(rejected_by AS text) AS codes, row_count, duplicate_bits, updated_bits
    FROM upload_chunks WHERE upload_id = :upload_id AND first_row = :first_row
""")

# Where an older consumer noted nothing, all is known while every row was inserted.
_MOVE_CHUNK_COUNTS = text("""
    UPDATE upload_chunks
    SET inserted = inserted + :inserted, updated = updated + :updated, duplicates = duplicates + :duplicates,
        rejected = rejected - :left, rejected_by = CAST(:rejected_by AS jsonb),
        noted_rows = coalesce(noted_rows, CASE WHEN updated = 0 AND duplicates = 0 THEN inserted END) + :left,
        duplicate_bits = :duplicate_bits, updated_bits = :updated_bits,
        displaced_rows = NULLIF(coalesce(displaced_rows, '{}') || CAST(:displaced AS bigint[]), '{}')
    WHERE upload_id = :upload_id AND first_row = :first_row
""")

_UPLOAD_CODES = text("SELECT CAST(rejected_by AS text) FROM uploads WHERE id = :upload_id AND finished_at IS NOT NULL")

_MOVE_UPLOAD_COUNTS = text("""
    UPDATE uploads
    SET inserted = inserted + :inserted, updated = updated + :updated, duplicates = duplicates + :duplicates,
        rejected = rejected - :left, rejected_by = CAST(:rejected_by AS jsonb), deactivated = deactivated - :returned,
        status = CASE WHEN status = 'partially_succeeded' AND problem IS NULL AND rejected = :left
                      THEN 'succeeded' ELSE status END,
        revision = revision + 1
    WHERE id = :upload_id
""")

# Whom their own upload had marked as left, and a row of it names after all.
_RETURN = text("DELETE FROM leavers WHERE upload_id = :upload_id AND number = ANY(CAST(:numbers AS bigint[]))")

_COUNT_EMPLOYEES = text("UPDATE employee_totals SET total = total + :inserted WHERE slot = 0")


class _RetriedRows(NamedTuple):
    rows: RawRows
    codes_before: list[str]
    written: Written
    rejects: list[Reject]


class RedriveHandler:
    def __init__(
        self, engine: AsyncEngine, settings: ConsumerSettings, failpoints: Failpoints, consumer: uuid.UUID
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._failpoints = failpoints
        self._consumer = consumer
        self._check_rows = rows_check(failpoints)
        self._suppressions = Suppressions(settings.erasure_key)

    async def handle(
        self, request: RedriveRequest | CorrectionRequest, *, careful: bool, publish: PublishLetters | None = None
    ) -> list[UnpublishedLetters]:
        """Try the rows again, those of one chunk in one transaction. Returns the letters to publish.

        With `publish` each chunk's are published before the next chunk begins: they may be of as many chunks as rows.
        """
        attempts = {row_number: attempt for row_number, attempt, *_ in request.rows}
        corrected = CorrectedRows(request) if isinstance(request, CorrectionRequest) else None
        async with self._engine.begin() as connection:
            chunk_of = (
                await connection.execute(_CHUNKS_OF, {"upload_id": request.upload_id, "row_numbers": sorted(attempts)})
            ).all()
        letters: list[UnpublishedLetters] = []
        for first_row, group in groupby(chunk_of, key=lambda row: row.first_row):
            wanted = {row.row_number: attempts[row.row_number] for row in group}
            letters += await self._redrive_chunk(request.upload_id, first_row, wanted, corrected, careful=careful)
            self._failpoints.hit("consumer.redrive_committed")
            if publish is not None:
                # It takes each entry off the list that the broker has confirmed.
                await publish(letters)
        return letters

    async def _redrive_chunk(
        self,
        upload_id: uuid.UUID,
        first_row: int,
        wanted: dict[int, int],
        corrected: CorrectedRows | None,
        *,
        careful: bool,
    ) -> list[UnpublishedLetters]:
        if careful:
            async with open_markers(
                self._engine, upload_id, self._consumer, row_seconds=self._settings.longest_row_seconds
            ) as markers:
                await markers.load(min(wanted), max(wanted))
                letters = await self._transact(
                    upload_id, first_row, wanted, corrected, one_by_one=True, markers=markers
                )
                await markers.unmark(min(wanted), max(wanted))
                return letters
        try:
            return await self._transact(upload_id, first_row, wanted, corrected)
        except Exception as error:  # raised again unless a row is to blame
            if not blames_a_row(error):
                raise
            log.warning("a row made its redrive fail: row by row", upload_id=str(upload_id), **describe_error(error))
        return await self._transact(upload_id, first_row, wanted, corrected, one_by_one=True)

    async def _transact(
        self,
        upload_id: uuid.UUID,
        first_row: int,
        wanted: dict[int, int],
        corrected: CorrectedRows | None = None,
        *,
        one_by_one: bool = False,
        markers: RowMarkers | None = None,
    ) -> list[UnpublishedLetters]:
        async with self._engine.begin() as connection:
            upload = (await connection.execute(_LOCK_UPLOAD, {"upload_id": upload_id})).one_or_none()
            if upload is None:
                return []
            erased = await read_erased_people(connection, self._suppressions)
            check = self._check_rows if erased is None else erased.refused_by(self._check_rows)
            waiting = wanted if corrected is None else await corrected.lock_waiting(connection, wanted)
            rows, codes_before = await _lock_rows(connection, upload_id, waiting)
            if corrected is not None:
                rows = corrected.with_new_cells(rows)
            if rows:
                target = Target(upload.sequence, upload.on_duplicate, layout_of(upload).require_known())
                if upload.status in UNDO_STATES:
                    written, rejects = _refuse_all(rows)
                elif one_by_one:
                    written, rejects = await write_one_by_one(
                        connection,
                        rows,
                        target,
                        check,
                        markers=markers,
                        poison_after=self._settings.poison_after_consumers,
                    )
                else:
                    written, rejects = await write_at_once(connection, rows, target, check)
                if upload.status == "running" and upload.absent_scope is not None:
                    await note_named_emails(connection, upload_id, first_row, rows, target.layout)
                if corrected is not None:
                    await corrected.settle(connection, rows.row_numbers, written.notes, rejects)
                if erased is not None:
                    rejects = await erased.forget_cells(connection, upload_id, rejects, target.layout)
                retried = _RetriedRows(rows, codes_before, written, rejects)
                await _settle_rows(connection, upload_id, retried)
                await _move_counts(connection, upload_id, first_row, retried)
            if corrected is not None:
                await corrected.note_outcomes(connection)
                if erased is not None:
                    await corrected.forget_cells(connection, erased, layout_of(upload))
            self._failpoints.hit("consumer.redrive_inside_transaction")
            # An earlier delivery may have rejected rows and died before it published their letters.
            return await unpublished_letters_of(connection, upload_id, min(wanted), max(wanted))


def _refuse_all(rows: RawRows) -> tuple[Written, list[Reject]]:
    """What an upload did is taken back, so nothing may join it."""
    unread = dataclasses.replace(rows, faults={}, fault_messages={})
    return Written(0, 0, 0, frozenset()), [unread.reject(index, RowCode.UPLOAD_UNDONE) for index in range(len(rows))]


async def _lock_rows(
    connection: AsyncConnection, upload_id: uuid.UUID, wanted: dict[int, int]
) -> tuple[RawRows, list[str]]:
    parameters = {"upload_id": upload_id, "row_numbers": list(wanted), "attempts": list(wanted.values())}
    locked = (await connection.execute(_LOCK_ROWS, parameters)).all()
    rows = RawRows(
        [row.row_number for row in locked],
        [row.line_number for row in locked],
        [msgspec.json.decode(row.cells, type=list[str]) for row in locked],
        {index: RowCode(row.code) for index, row in enumerate(locked) if row.code in _REFUSED_IN_READING},
        {index: row.message for index, row in enumerate(locked) if row.code in _REFUSED_IN_READING},
    )
    return rows, [row.code for row in locked]


async def _settle_rows(connection: AsyncConnection, upload_id: uuid.UUID, retried: _RetriedRows) -> None:
    rejected = {reject.row_number for reject in retried.rejects}
    gone = [row_number for row_number in retried.rows.row_numbers if row_number not in rejected]
    await connection.execute(_REMOVE, {"upload_id": upload_id, "row_numbers": gone})
    await connection.execute(
        _DEAD_AGAIN,
        {
            "upload_id": upload_id,
            "row_numbers": [reject.row_number for reject in retried.rejects],
            "codes": [str(reject.code) for reject in retried.rejects],
            "fields": [reject.field for reject in retried.rejects],
            "messages": [reject.message for reject in retried.rejects],
            "other_faults": [faults_json(reject.other_faults) for reject in retried.rejects],
        },
    )


async def _move_counts(
    connection: AsyncConnection, upload_id: uuid.UUID, first_row: int, retried: _RetriedRows
) -> None:
    """Change the chunk's entry, and a finished upload's own counts; its producer sums those of an unfinished one."""
    written = retried.written
    moved: dict[str, Any] = {
        "upload_id": upload_id,
        "inserted": written.inserted,
        "updated": written.updated,
        "duplicates": written.duplicates,
        "left": len(retried.rows) - len(retried.rejects),
        "returned": len(written.returned),
    }
    chunk_key = {"upload_id": upload_id, "first_row": first_row}
    chunk = (await connection.execute(_CHUNK, chunk_key)).one()
    notes = {
        "duplicate_bits": as_bits(written.notes.duplicates, first_row, chunk.row_count, chunk.duplicate_bits),
        "updated_bits": as_bits(written.notes.updated, first_row, chunk.row_count, chunk.updated_bits),
        "displaced": written.notes.displaced,
    }
    await connection.execute(
        _MOVE_CHUNK_COUNTS, moved | chunk_key | notes | {"rejected_by": _codes_after(chunk.codes, retried)}
    )
    upload_codes = (await connection.execute(_UPLOAD_CODES, {"upload_id": upload_id})).scalar_one_or_none()
    if upload_codes is not None:
        await connection.execute(_MOVE_UPLOAD_COUNTS, moved | {"rejected_by": _codes_after(upload_codes, retried)})
    if written.returned:
        await connection.execute(_RETURN, {"upload_id": upload_id, "numbers": list(written.returned)})
    if written.inserted:
        await connection.execute(_COUNT_EMPLOYEES, {"inserted": written.inserted})


def _codes_after(before: str, retried: _RetriedRows) -> str:
    codes = Counter(msgspec.json.decode(before, type=dict[str, int]))
    codes.subtract(retried.codes_before)
    codes.update(str(reject.code) for reject in retried.rejects)
    return msgspec.json.encode({code: number for code, number in codes.items() if number > 0}).decode()
