"""Reads and changes an upload's row for the producer that previews it, as `upload_state` does for an upload.

What the preview says stands in `uploads.preview`, apart from the upload's own counts, which stay 0.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from producer_service.uploads import leases, upload_state
from producer_service.uploads.finished_chunks import ledger_mismatch
from producer_service.uploads.upload_state import LedgerIncomplete
from shared.database.preview_fates import PreviewFates
from shared.database.preview_leavers import Absentees
from shared.errors import FileCode, FileProblem

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from producer_service.uploads.leases import Lease
    from producer_service.uploads.upload_state import Progress, Upload
    from shared.database.absence import Absence
    from shared.database.ledger import LedgerTotals
    from shared.messages import ChunkCounts
    from shared.upload_status import UploadStatus

WORKING: Final = "previewing"

# With these there is nothing to be seen of the file, and nothing that other options could mend.
_ENDING_PROBLEMS: Final = frozenset(
    {FileCode.FILE_MISSING, FileCode.FILE_CHANGED, FileCode.NO_PROGRESS, FileCode.LEDGER_MISMATCH}
)

_PROGRESS = text("""
    UPDATE uploads SET preview = CAST(:preview AS jsonb), revision = revision + 1
    WHERE id = :upload_id AND status = 'previewing'
      AND EXISTS (SELECT 1 FROM upload_leases AS l WHERE l.upload_id = :upload_id AND l.fence = :fence)
""")

_LOCK = text("""
    SELECT 1 FROM uploads WHERE id = :upload_id AND status = 'previewing' AND preview_id = :preview_id FOR UPDATE
""")

_CHUNKS = text("SELECT count(*) FROM preview_chunks WHERE preview_id = :preview_id")

_FINISH = text("""
    UPDATE uploads SET status = 'previewed', preview = CAST(:preview AS jsonb), revision = revision + 1
    WHERE id = :upload_id
""")

_FAIL = text("""
    UPDATE uploads
    SET status = 'failed', finished_at = now(), problem = CAST(:problem AS jsonb), preview_id = NULL,
        revision = revision + 1
    WHERE id = :upload_id
""")

# The next fencing number is larger than this one, whoever gets it: a preview again, or the upload.
_FREE_LEASE = text("""
    UPDATE upload_leases
    SET owner = '', fence = fence + 1, runs_out_at = NULL, suspected = false, trial_producers = '{}',
        file_missing_since = NULL
    WHERE upload_id = :upload_id
""")

_END_LEASE = text("DELETE FROM upload_leases WHERE upload_id = :upload_id")
_FORGET_MARKERS = text("DELETE FROM row_markers WHERE upload_id = :upload_id")


async def start(connection: AsyncConnection, lease: Lease) -> UploadStatus:
    """Raises `LeaseLost`."""
    status = await upload_state.current_status(connection, lease.upload_id)
    await leases.prove(connection, lease)
    if status != WORKING:
        raise leases.LeaseLost
    return status


async def write_progress(connection: AsyncConnection, lease: Lease, progress: Progress) -> None:
    """A hint for people who watch. Nothing is written when another producer has the lease."""
    counts = progress.counts
    valid = counts.inserted + counts.updated + counts.duplicates
    preview = _counts(progress.rows_read, progress.blank_rows or 0, valid + counts.rejected, progress.bytes_done)
    preview |= {"rejected": counts.rejected, "rejected_by": counts.rejected_by}
    values = {"upload_id": lease.upload_id, "fence": lease.fence, "preview": json.dumps(preview)}
    await connection.execute(_PROGRESS, values)


async def finish(
    connection: AsyncConnection,
    lease: Lease,
    *,
    rows_read: int | None,
    blank_rows: int | None = None,
    byte_count: int,
    read_seconds: float | None = None,
    problem: FileProblem | None,
) -> UploadStatus:
    """Settle the preview by who is there now, and set the state that it leads to; returns it.

    The upload is locked last, so that whoever looks at it or cancels it does not wait for the join. Raises `LeaseLost`,
    and `LedgerIncomplete` when chunks are missing or came meanwhile.
    """
    upload = await upload_state.load(connection, lease.upload_id)
    if upload.preview_id is None:
        raise leases.LeaseLost
    before = await upload.ledger.totals(connection)
    if problem is None and rows_read is not None and before.row_count != rows_read:
        if before.row_count < rows_read:
            raise LedgerIncomplete(f"{before.row_count} of {rows_read} rows")
        # No later reading would find more rows.
        problem = ledger_mismatch()
    if problem is not None and problem.code in _ENDING_PROBLEMS:
        return await _fail(connection, lease, upload, problem)
    chunks = (await connection.execute(_CHUNKS, {"preview_id": upload.preview_id})).scalar_one()
    await _settle(connection, upload, upload.preview_id)
    cut = chunks - (await connection.execute(_CHUNKS, {"preview_id": upload.preview_id})).scalar_one()
    totals = await upload.ledger.totals(connection)
    problem = upload_state.judge_rejects(WORKING, totals.counts.rejected, upload.max_rejects, problem)
    absence = None if problem else await _find_leavers(connection, upload, upload.preview_id)
    await _lock(connection, lease, upload)
    if (await connection.execute(_CHUNKS, {"preview_id": upload.preview_id})).scalar_one() != chunks - cut:
        raise LedgerIncomplete("chunks came meanwhile")
    rows_seen = max(rows_read or 0, before.row_count)
    preview = _described(totals, rows_seen, blank_rows or 0, byte_count, problem, absence)
    await connection.execute(_FINISH, {"upload_id": upload.id, "preview": json.dumps(preview)})
    await connection.execute(_FREE_LEASE, {"upload_id": upload.id})
    await connection.execute(_FORGET_MARKERS, {"upload_id": upload.id})
    return "previewed"


async def _settle(connection: AsyncConnection, upload: Upload, preview_id: int) -> None:
    fates = PreviewFates(connection, preview_id, upload.on_duplicate)
    if upload.order_decides and upload.max_rejects is not None:
        await fates.cut(upload.max_rejects)
    await fates.settle(may_refuse=upload.order_decides)


async def _find_leavers(connection: AsyncConnection, upload: Upload, preview_id: int) -> Absence | None:
    """None where it was not to be found out, or an earlier release had a part in the preview."""
    if upload.absent_scope is None or upload.absent_at_most is None:
        return None
    absentees = Absentees(preview_id, upload.on_duplicate, upload.absent_scope, upload.absent_at_most)
    absence = await absentees.find(connection)
    if absence is not None and absence.deactivated:
        await absentees.store(connection)
    return absence


async def _lock(connection: AsyncConnection, lease: Lease, upload: Upload) -> None:
    values = {"upload_id": upload.id, "preview_id": upload.preview_id}
    if (await connection.execute(_LOCK, values)).one_or_none() is None:
        raise leases.LeaseLost
    await leases.prove(connection, lease)


async def _fail(connection: AsyncConnection, lease: Lease, upload: Upload, problem: FileProblem) -> UploadStatus:
    await _lock(connection, lease, upload)
    described = json.dumps(upload_state.described(problem))
    await connection.execute(_FAIL, {"upload_id": upload.id, "problem": described})
    await connection.execute(_END_LEASE, {"upload_id": upload.id})
    await connection.execute(_FORGET_MARKERS, {"upload_id": upload.id})
    return "failed"


def _described(
    totals: LedgerTotals,
    rows_read: int,
    blank_rows: int,
    byte_count: int,
    problem: FileProblem | None,
    absence: Absence | None,
) -> dict[str, object]:
    """The counts and the state that the upload would end with."""
    counts = totals.counts
    done = totals.row_count
    problem_to_tell = problem or (absence.problem if absence else None)
    is_whole = not counts.rejected and problem_to_tell is None
    return {
        **_counts(rows_read, blank_rows, done, byte_count if problem is None else totals.byte_count),
        **_fates(counts),
        "unprocessed": rows_read - done,
        "outcome": "failed" if problem else "succeeded" if is_whole else "partially_succeeded",
        "problem": None if problem_to_tell is None else upload_state.described(problem_to_tell),
        "absence": absence.as_stored() if absence else None,
        "deactivated": absence.deactivated if absence else None,
    }


def _counts(rows_read: int, blank_rows: int, rows_done: int, bytes_done: int) -> dict[str, object]:
    return {"rows_read": rows_read, "blank_rows": blank_rows, "rows_done": rows_done, "bytes_done": bytes_done}


def _fates(counts: ChunkCounts) -> dict[str, object]:
    return {
        "inserted": counts.inserted,
        "updated": counts.updated,
        "duplicates": counts.duplicates,
        "rejected": counts.rejected,
        "rejected_by": counts.rejected_by,
    }
