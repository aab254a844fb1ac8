"""The statements on uploads and their rejects. Nothing here commits."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    Text,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.http.pagination import CELL_BYTES, MAX_PAGE_BYTES
from api_service.uploads.undo import replaced_employees
from api_service.uploads.undo.queries import loses_undo
from api_service.uploads.unpacking.unpacker import twin_key
from shared.database.tables import preview_rejects, rejected_rows, row_markers, upload_leases, uploads
from shared.upload_status import CANCELLABLE_STATES, HELD_STATES, RESTING_STATES, UNSTARTED_STATES

# Postgres packs what is larger; and so many packed rows a page at most.
PACKED_BYTES = 2000
WEIGHED_ROWS = 50
# Beyond this a count is not worth its time.
EXACT_COUNT = 10_000
# One bad file can have a million rejects; deleting them takes longer than a query may.
DELETE_TIMEOUT_SECONDS = 300


async def insert_upload(connection: AsyncConnection, values: dict[str, Any]) -> Row[Any] | None:
    """None when another upload has the idempotency key; waits for one that is about to commit with it."""
    statement = insert(uploads).values(values).on_conflict_do_nothing(index_elements=["idempotency_key"])
    inserted = (await connection.execute(statement.returning(*uploads.c))).one_or_none()
    if inserted is not None:
        # Producers of earlier releases look for `expires_at` alone, and read files by rules of their own.
        values = {"upload_id": inserted.id, "owner": "", "fence": 0, "expires_at": text("'infinity'")}
        runs_out_at = null() if inserted.status in HELD_STATES else func.now()
        await connection.execute(insert(upload_leases).values(**values, runs_out_at=runs_out_at))
    return inserted


async def upload_with_key(connection: AsyncConnection, idempotency_key: str) -> Row[Any] | None:
    return (await connection.execute(select(uploads).where(uploads.c.idempotency_key == idempotency_key))).one_or_none()


def stored_keys(upload: Row[Any] | Row[Any, Any, Any]) -> list[str]:
    """The keys of its objects in the store: what is read, and what was sent if that is another."""
    if upload.original_key is None:
        return [upload.object_key]
    # A draft that has taken another sheet since may have died before it deleted the text of the first.
    return list(dict.fromkeys([upload.object_key, upload.original_key, twin_key(upload.original_key)]))


async def upload_by_id(connection: AsyncConnection, upload_id: uuid.UUID) -> Row[Any] | None:
    return (await connection.execute(select(uploads).where(uploads.c.id == upload_id))).one_or_none()


class Page(NamedTuple):
    """`was_cut`: more were asked for and are there, but they are too large."""

    rows: Sequence[Row[Any]]
    was_cut: bool


async def list_uploads(
    connection: AsyncConnection,
    *,
    status: str | None,
    before: int | None,
    offset: int,
    limit: int,
    uploaded_by: str | None = None,
) -> Page:
    """Newest first, of one sender or all; `before` is the sequence number to go on after.

    No more than `MAX_PAGE_BYTES`, and always one.
    """
    query = select(uploads).order_by(uploads.c.sequence.desc()).offset(offset).limit(limit)
    if status is not None:
        query = query.where(uploads.c.status == status)
    if before is not None:
        query = query.where(uploads.c.sequence < before)
    if uploaded_by is not None:
        query = query.where(uploads.c.uploaded_by == uploaded_by)
    return await _page_by_bytes(connection, query, "columns", func.cardinality, lambda page: page.sequence.desc())


async def count_uploads(connection: AsyncConnection, *, status: str | None, uploaded_by: str | None = None) -> int:
    query = select(func.count()).select_from(uploads)
    if status is not None:
        query = query.where(uploads.c.status == status)
    if uploaded_by is not None:
        query = query.where(uploads.c.uploaded_by == uploaded_by)
    return (await connection.execute(query)).scalar_one()


async def cancel_draft(connection: AsyncConnection, upload_id: uuid.UUID) -> Row[Any] | None:
    """The upload as it has ended; None if it was started. What its problem quoted of the file is kept no longer."""
    return await _end_draft(connection, upload_id, problem=null())


async def expire_draft(connection: AsyncConnection, upload_id: uuid.UUID, problem: dict[str, Any]) -> Row[Any] | None:
    """As `cancel_draft`, and the upload says why."""
    return await _end_draft(connection, upload_id, problem=problem)


async def _end_draft(connection: AsyncConnection, upload_id: uuid.UUID, *, problem: Any) -> Row[Any] | None:
    """Nothing of it was done, so there is nothing that a producer would have to end."""
    # Chunks of a preview that are on their way commit before, or find that it is over.
    unstarted = uploads.c.id == upload_id, uploads.c.status.in_(UNSTARTED_STATES)
    await connection.execute(select(uploads.c.id).where(*unstarted).with_for_update())
    statement = (
        update(uploads)
        .where(*unstarted)
        .values(
            status="cancelled",
            finished_at=func.now(),
            revision=uploads.c.revision + 1,
            problem=problem,
            preview_id=null(),
        )
        .returning(*uploads.c)
    )
    ended = (await connection.execute(statement)).one_or_none()
    if ended is not None:
        await connection.execute(delete(upload_leases).where(upload_leases.c.upload_id == upload_id))
        await connection.execute(delete(row_markers).where(row_markers.c.upload_id == upload_id))
    return ended


async def cancel_upload(connection: AsyncConnection, upload_id: uuid.UUID) -> Row[Any] | None:
    """Ask its producer to end it. Returns the upload as it is now, asked before or finished too; None = unknown."""
    statement = (
        update(uploads)
        .where(uploads.c.id == upload_id, uploads.c.status.in_(CANCELLABLE_STATES))
        .values(status="cancelling", revision=uploads.c.revision + 1)
        .returning(*uploads.c)
    )
    cancelled = (await connection.execute(statement)).one_or_none()
    return cancelled if cancelled is not None else await upload_by_id(connection, upload_id)


async def delete_finished_upload(
    connection: AsyncConnection, upload_id: uuid.UUID, *, even_if_undoable: bool
) -> Row[Any] | None:
    """Delete it with its ledger, rejects, markers and what it replaced, if nobody works on it and that may be.

    Returns it as it was; None = unknown.
    """
    found = (await connection.execute(select(uploads).where(uploads.c.id == upload_id).with_for_update())).one_or_none()
    if found is None or (loses_undo(found) and not even_if_undoable):
        return found
    if found.status in RESTING_STATES:
        await connection.execute(select(func.set_config("statement_timeout", f"{DELETE_TIMEOUT_SECONDS}s", True)))
        await connection.execute(delete(row_markers).where(row_markers.c.upload_id == upload_id))
        await connection.execute(delete(uploads).where(uploads.c.id == upload_id))
        await replaced_employees.forget(connection, found.sequence)
    return found


class RejectsOf(NamedTuple):
    """Those of an upload, or those of its preview, whose rows have the same columns."""

    rows: FromClause
    is_theirs: ColumnElement[bool]


# A row that nobody has tried again, with a dead letter or without one.
_PREVIEWED_REJECTS: Final = select(
    preview_rejects,
    null().label("original_cells"),
    literal(1).label("attempt"),
    null().label("discarded_at"),
).subquery("previewed")


def rejects_of(upload: Row[Any], code: str | None = None) -> RejectsOf:
    """From a row of `uploads`; with a code those of which it is the first fault."""
    rows: FromClause = rejected_rows if upload.preview_id is None else _PREVIEWED_REJECTS
    are_its = rows.c.upload_id == upload.id if upload.preview_id is None else rows.c.preview_id == upload.preview_id
    return RejectsOf(rows, are_its if code is None else and_(are_its, rows.c.code == code))


async def list_rejects(
    connection: AsyncConnection, rejects: RejectsOf, *, after_row: int = 0, offset: int = 0, limit: int
) -> Page:
    """In file order, from after the row with that number. No more than `MAX_PAGE_BYTES`, and always one."""
    row_number = rejects.rows.c.row_number
    query = (
        select(rejects.rows)
        .where(rejects.is_theirs, row_number > after_row)
        .order_by(row_number)
        .offset(offset)
        .limit(limit)
    )
    return await _page_by_bytes(connection, query, "cells", func.jsonb_array_length, lambda page: page.row_number)


async def _page_by_bytes(
    connection: AsyncConnection,
    query: Select[Any],
    wide_column: str,
    count_cells: Callable[[ColumnElement[Any]], ColumnElement[int]],
    order_of: Callable[[Any], ColumnElement[Any]],
) -> Page:
    """The rows of a page, which its number of rows has cut already, up to `MAX_PAGE_BYTES`, and always one.

    To weigh a wide row Postgres has to unpack it. So only the first few of those are weighed, and none that the page
    passes over; how large a row is packed is known for nothing.
    """
    page = query.subquery("page").c
    is_packed = case((func.pg_column_size(page[wide_column]) > PACKED_BYTES, 1), else_=0)
    counted = select(
        *page,
        func.count().over().label("page_rows"),
        func.sum(is_packed).over(order_by=order_of(page)).label("packed_rows"),
    ).subquery("counted")
    wide = counted.c[wide_column]
    weight = func.octet_length(cast(wide, Text)) + CELL_BYTES * count_cells(wide)
    weighed = (
        select(
            counted,
            (func.sum(weight).over(order_by=order_of(counted.c)) - weight).label("bytes_before"),
            func.row_number().over(order_by=order_of(counted.c)).label("place"),
        )
        .where(counted.c.packed_rows <= WEIGHED_ROWS)
        .subquery("weighed")
    )
    fitting = select(weighed).where(weighed.c.bytes_before < MAX_PAGE_BYTES).order_by(weighed.c.place)
    rows = (await connection.execute(fitting)).all()
    return Page(rows, was_cut=bool(rows) and len(rows) < rows[0].page_rows)


async def count_rejects(connection: AsyncConnection, rejects: RejectsOf) -> int:
    """Exact to `EXACT_COUNT`; one more means more."""
    some = select(rejects.rows.c.row_number).where(rejects.is_theirs).limit(EXACT_COUNT + 1)
    return (await connection.execute(select(func.count()).select_from(some.subquery()))).scalar_one()


async def has_rejects_wider_than(connection: AsyncConnection, rejects: RejectsOf, width: int) -> bool:
    wider = exists().where(rejects.is_theirs, func.jsonb_array_length(rejects.rows.c.cells) > width)
    return (await connection.execute(select(wider))).scalar_one()
