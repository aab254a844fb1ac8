"""Reads and changes an upload's row for its producer: started, in progress, and finished in one transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from producer_service.leavers.leavers_state import conclude
from producer_service.uploads import leases
from producer_service.uploads.finished_chunks import ledger_mismatch
from shared.database.ledger import ledger_of, ledger_of_preview
from shared.database.upload_layout import FORMAT_COLUMNS, format_of
from shared.errors import FileCode, FileProblem, RollcallError
from shared.rows.fields import NEVER_NULL

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.ext.asyncio import AsyncConnection

    from producer_service.uploads.leases import Lease
    from shared.database.ledger import Ledger, LedgerTotals
    from shared.duplicate_mode import DuplicateMode
    from shared.messages import ChunkCounts
    from shared.rows.csv_format import CsvFormat
    from shared.upload_status import FinalStatus, UploadStatus


class Upload(NamedTuple):
    """An upload, as far as its producer needs it to read the file and send its rows."""

    id: uuid.UUID
    status: UploadStatus
    on_duplicate: DuplicateMode
    object_key: str
    byte_count: int
    sha256: str
    chunk_rows: int
    # None: it has no such end.
    max_rejects: int | None
    csv_format: CsvFormat
    # Of which company, or all, those have left whom the file lacks, and up to how many (`shared.database.absence`).
    absent_scope: str | None = None
    absent_at_most: str | None = None
    # Of the preview that it is, if it is no more than that.
    preview_id: int | None = None

    @property
    def ledger(self) -> Ledger:
        return ledger_of(self.id) if self.preview_id is None else ledger_of_preview(self.preview_id)

    @property
    def marks_leavers(self) -> bool:
        return self.absent_scope is not None and self.preview_id is None

    @property
    def order_decides(self) -> bool:
        """Whether a row is refused for who is there when it comes: known already, or unknown and without a name."""
        return self.on_duplicate == "reject" or not NEVER_NULL.isdisjoint(self.csv_format.layout.optional)


class Progress(NamedTuple):
    rows_read: int
    bytes_done: int
    counts: ChunkCounts
    blank_rows: int | None = None


class LedgerIncomplete(RollcallError):
    """The file was read to its end, but the ledger lacks rows of it, so it is too early to finish."""


_LOAD = text(f"""
    SELECT id, status, on_duplicate, object_key, byte_count, sha256, chunk_rows, max_rejects,
           CASE WHEN status = 'previewing' THEN preview_id END AS preview_id,
           absent_scope, absent_at_most, {FORMAT_COLUMNS}
    FROM uploads WHERE id = :upload_id
""")  # noqa: S608 - a constant

# While the runner works on it.
WORKING: Final = "running"

# A status other than `queued` stays: an upload that was cancelled before it began is `cancelling` already.
_START = text("""
    UPDATE uploads SET status = CASE WHEN status = 'queued' THEN 'running' ELSE status END,
                       started_at = coalesce(started_at, now()), revision = revision + 1
    WHERE id = :upload_id AND finished_at IS NULL
    RETURNING status
""")

_PROGRESS = text("""
    UPDATE uploads
    SET rows_read = :rows_read, rows_done = :rows_done, bytes_done = :bytes_done, inserted = :inserted,
        updated = :updated, duplicates = :duplicates, rejected = :rejected, rejected_by = CAST(:rejected_by AS jsonb),
        blank_rows = coalesce(CAST(:blank_rows AS bigint), blank_rows), revision = revision + 1
    WHERE id = :upload_id AND finished_at IS NULL
      AND EXISTS (SELECT 1 FROM upload_leases AS l WHERE l.upload_id = :upload_id AND l.fence = :fence)
""")

_SIZE = text("SELECT byte_count FROM uploads WHERE id = :upload_id")

_STATUS = text("SELECT status FROM uploads WHERE id = :upload_id")

_LOCK = text("SELECT status, max_rejects FROM uploads WHERE id = :upload_id AND finished_at IS NULL FOR UPDATE")

_FINISH = text("""
    UPDATE uploads
    SET status = :status, finished_at = now(), problem = CAST(:problem AS jsonb), rows_read = :rows_read,
        rows_done = :rows_done, bytes_done = :bytes_done, inserted = :inserted, updated = :updated,
        duplicates = :duplicates, rejected = :rejected, rejected_by = CAST(:rejected_by AS jsonb),
        blank_rows = coalesce(CAST(:blank_rows AS bigint), blank_rows), unprocessed = :unprocessed,
        deactivated = :deactivated, read_seconds = :read_seconds, revision = revision + 1
    WHERE id = :upload_id
""")

_END_LEASE = text("DELETE FROM upload_leases WHERE upload_id = :upload_id")
_FORGET_MARKERS = text("DELETE FROM row_markers WHERE upload_id = :upload_id")


async def load(connection: AsyncConnection, upload_id: uuid.UUID) -> Upload:
    row: Any = (await connection.execute(_LOAD, {"upload_id": upload_id})).one()
    return Upload(
        row.id,
        row.status,
        row.on_duplicate,
        row.object_key,
        row.byte_count,
        row.sha256,
        row.chunk_rows,
        row.max_rejects,
        format_of(row),
        row.absent_scope,
        row.absent_at_most,
        row.preview_id,
    )


async def size_of(connection: AsyncConnection, upload_id: uuid.UUID) -> int | None:
    """In bytes; None for an upload that there is not."""
    size: int | None = (await connection.execute(_SIZE, {"upload_id": upload_id})).scalar_one_or_none()
    return size


async def start(connection: AsyncConnection, lease: Lease) -> UploadStatus:
    """The status from now on: `running`, or `cancelling`. Raises `LeaseLost`."""
    # The upload is locked before the lease, in the order of an earlier holder that is finishing just now.
    status: UploadStatus | None = (
        await connection.execute(_START, {"upload_id": lease.upload_id})
    ).scalar_one_or_none()
    await leases.prove(connection, lease)
    if status is None:
        raise leases.LeaseLost
    return status


async def write_progress(connection: AsyncConnection, lease: Lease, progress: Progress) -> None:
    """Progress is a hint for people who watch. Nothing is written when another producer has the lease."""
    await connection.execute(_PROGRESS, _counts(progress) | {"upload_id": lease.upload_id, "fence": lease.fence})


async def current_status(connection: AsyncConnection, upload_id: uuid.UUID) -> UploadStatus:
    status: UploadStatus = (await connection.execute(_STATUS, {"upload_id": upload_id})).scalar_one()
    return status


async def finish(
    connection: AsyncConnection,
    lease: Lease,
    *,
    rows_read: int | None,
    blank_rows: int | None = None,
    byte_count: int,
    read_seconds: float | None = None,
    problem: FileProblem | None,
) -> FinalStatus:
    """Set the final state from the ledger; returns it. Raises `LeaseLost` and `LedgerIncomplete`.

    With `rows_read` None nobody could count the file's rows, and those count that the ledger has; `blank_rows` None
    leaves the last number that was written. The upload is locked
    `FOR UPDATE` first, so that chunks in flight commit before or find the upload closed.
    """
    locked = (await connection.execute(_LOCK, {"upload_id": lease.upload_id})).one_or_none()
    if locked is None:
        raise leases.LeaseLost
    status: UploadStatus = locked.status
    await leases.prove(connection, lease)
    totals = await ledger_of(lease.upload_id).totals(connection)
    problem = judge_rejects(status, totals.counts.rejected, locked.max_rejects, problem)
    if rows_read is None:
        rows_read = totals.row_count
    elif problem is None and totals.row_count > rows_read:
        # No later reading would find more rows, so without an end here there would be none.
        problem, rows_read = ledger_mismatch(), totals.row_count
    elif problem is not None:
        # An earlier producer may have read further in a file that is gone or changed by now.
        rows_read = max(rows_read, totals.row_count)
    final = _final_state(status, totals, rows_read, problem)
    deactivated, absence_problem = await conclude(connection, lease.upload_id)
    if final == "succeeded" and absence_problem is not None:
        final = "partially_succeeded"
    problem_to_tell = problem or (absence_problem if final == "partially_succeeded" else None)
    await connection.execute(
        _FINISH,
        _counts(Progress(rows_read, byte_count if problem is None else totals.byte_count, totals.counts, blank_rows))
        | {
            "upload_id": lease.upload_id,
            "status": final,
            "problem": None if problem_to_tell is None else json.dumps(described(problem_to_tell)),
            "unprocessed": rows_read - totals.row_count,
            "deactivated": deactivated,
            "read_seconds": read_seconds,
        },
    )
    await connection.execute(_END_LEASE, {"upload_id": lease.upload_id})
    await connection.execute(_FORGET_MARKERS, {"upload_id": lease.upload_id})
    return final


def too_many_rejects(max_rejects: int) -> FileProblem:
    return FileProblem(
        FileCode.TOO_MANY_REJECTS,
        f"More than {max_rejects} rows were rejected, which is this upload's maxRejects, so the rest of the file was "
        "not processed; rows that are in stay in. Look at its rejects, mend the file and upload it again, or send a "
        "larger maxRejects.",
    )


def judge_rejects(
    status: UploadStatus, rejected: int, max_rejects: int | None, problem: FileProblem | None
) -> FileProblem | None:
    """By the ledger, so that neither crashes nor the order of chunks show, and whatever else is wrong with the file.

    Which of two problems a reading meets first would. A cancel that was promised stays one.
    """
    if status == "cancelling":
        return None if problem is not None and problem.code is FileCode.TOO_MANY_REJECTS else problem
    return problem if max_rejects is None or rejected <= max_rejects else too_many_rejects(max_rejects)


def _final_state(
    status: UploadStatus, totals: LedgerTotals, rows_read: int, problem: FileProblem | None
) -> FinalStatus:
    if problem is not None:
        return "failed"
    if status == "cancelling":
        return "cancelled"
    if totals.row_count != rows_read:
        raise LedgerIncomplete(f"{totals.row_count} of {rows_read} rows")
    return "partially_succeeded" if totals.counts.rejected else "succeeded"


def _counts(progress: Progress) -> dict[str, object]:
    counts = progress.counts
    return {
        "rows_read": progress.rows_read,
        "rows_done": counts.inserted + counts.updated + counts.duplicates + counts.rejected,
        "bytes_done": progress.bytes_done,
        "blank_rows": progress.blank_rows,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "duplicates": counts.duplicates,
        "rejected": counts.rejected,
        "rejected_by": json.dumps(counts.rejected_by),
    }


def described(problem: FileProblem) -> dict[str, object]:
    return {"code": str(problem.code), "detail": problem.detail, "errors": list(problem.errors)}
