"""Every query on dead letters: rejected rows and malformed messages that nobody has discarded, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, TextClause, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.http.pagination import CELL_BYTES, MAX_PAGE_BYTES, Total
from shared.database.tables import malformed_messages, rejected_rows
from shared.dead_letters.identity import Letter, MalformedLetter, RowLetter

MALFORMED_CODE: Final = "malformed_message"
EXACT_LETTERS: Final = 100_000


class LetterKey(NamedTuple):
    """The order of dead letters; what a cursor holds. A malformed message stands with its own id, and row 0."""

    dead_at: datetime
    upload_id: UUID
    row_number: int


class LetterFilter(NamedTuple):
    """Chooses dead letters; None takes any. Those that died at `dead_before` are not among them."""

    upload_id: UUID | None = None
    code: str | None = None
    dead_from: datetime | None = None
    dead_before: datetime | None = None
    letters: Sequence[Letter] | None = None

    @property
    def takes_malformed(self) -> bool:
        return self.upload_id is None and self.code in (None, MALFORMED_CODE)

    @property
    def rows(self) -> Sequence[RowLetter]:
        """Of the letters that are named."""
        return [each for each in self.letters or () if isinstance(each, RowLetter)]

    @property
    def malformed_ids(self) -> Sequence[UUID]:
        """Of the letters that are named."""
        return [each.id for each in self.letters or () if isinstance(each, MalformedLetter)]


class OutstandingRow(NamedTuple):
    """A rejected row that has been neither redriven with success nor discarded."""

    key: LetterKey
    attempt: int
    code: str

    @property
    def letter(self) -> RowLetter:
        return RowLetter(self.key.upload_id, self.key.row_number, self.attempt)


_BEGINNING: Final = LetterKey(datetime(2000, 1, 1, tzinfo=UTC), UUID(int=0), 0)

# The keys of a page come first, from the indexes alone; only its own rows are fetched.
_PAGE: Final = """
    WITH keys AS (
        (
            SELECT dead_at, upload_id AS key_id, row_number FROM rejected_rows
            WHERE discarded_at IS NULL{rows} AND (dead_at, upload_id, row_number) > (:dead_at, :upload_id, :row_number)
            ORDER BY dead_at, upload_id, row_number LIMIT CAST(:offset AS bigint) + :limit
        )
        UNION ALL
        (
            SELECT dead_at, id, 0 FROM malformed_messages
            WHERE discarded_at IS NULL{malformed} AND (dead_at, id, 0) > (:dead_at, :upload_id, :row_number)
            ORDER BY dead_at, id LIMIT CAST(:offset AS bigint) + :limit
        )
        ORDER BY dead_at, key_id, row_number OFFSET :offset LIMIT :limit
    )
    SELECT * FROM (
        SELECT keys.dead_at, keys.key_id, keys.row_number AS key_row, rejected.upload_id, rejected.row_number,
               line_number, coalesce(code, :malformed_code) AS code, field,
               coalesce(message, malformed.reason) AS message, CAST(other_faults AS text) AS other_faults,
               CAST(cells AS text) AS cells, attempt,
               count(*) OVER () AS page_rows,
               sum(coalesce(octet_length(CAST(cells AS text)) + :cell_bytes * jsonb_array_length(cells), 0))
                   OVER (ORDER BY keys.dead_at, keys.key_id, keys.row_number
                         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
        FROM keys
        LEFT JOIN rejected_rows AS rejected
          ON rejected.upload_id = keys.key_id AND rejected.row_number = keys.row_number
        LEFT JOIN malformed_messages AS malformed ON malformed.id = keys.key_id AND keys.row_number = 0
    ) AS page
    WHERE coalesce(bytes_before, 0) < :max_bytes
    ORDER BY dead_at, key_id, key_row
"""

_COUNT_SHOWN: Final = """
    SELECT (SELECT count(*) FROM (SELECT FROM rejected_rows WHERE discarded_at IS NULL{rows} LIMIT :most) AS counted)
         + (SELECT count(*) FROM (SELECT FROM malformed_messages WHERE discarded_at IS NULL{malformed} LIMIT :most)
                AS counted),
           (SELECT reltuples FROM pg_class WHERE oid = CAST('rejected_rows_oldest_idx' AS regclass))
"""

# Without the rows for which an entry of the outbox stands. OFFSET 0 as in `consumer_service.dead_letters`.
_COUNT_PUBLISHED = text("""
    SELECT (SELECT count(*) FROM rejected_rows WHERE discarded_at IS NULL)
         - (SELECT count(*) FROM unpublished_letters AS entry CROSS JOIN LATERAL (
                SELECT FROM rejected_rows
                WHERE upload_id = entry.upload_id AND row_number BETWEEN entry.first_row AND entry.last_row
                  AND dead_at = entry.dead_at AND discarded_at IS NULL
                OFFSET 0
            ) AS waiting)
         + (SELECT count(*) FROM malformed_messages WHERE discarded_at IS NULL AND published_at IS NOT NULL)
""")

# A condition on `rejected_rows`.
_NAMED_ROWS = text("""
    (rejected_rows.upload_id, rejected_rows.row_number, rejected_rows.attempt) IN (
        SELECT * FROM unnest(CAST(:upload_ids AS uuid[]), CAST(:row_numbers AS bigint[]), CAST(:attempts AS int[]))
    )
""")

_OUTSTANDING_AMONG = text("""
    SELECT dead_at, upload_id, row_number, attempt, code
    FROM rejected_rows
    JOIN unnest(CAST(:upload_ids AS uuid[]), CAST(:row_numbers AS bigint[]), CAST(:attempts AS int[]))
      AS letter (upload_id, row_number, attempt) USING (upload_id, row_number, attempt)
    WHERE discarded_at IS NULL
""")

_MALFORMED_AMONG = text("SELECT id FROM malformed_messages WHERE id = ANY(:ids) AND discarded_at IS NULL")

_DISCARD_ROWS = text("""
    UPDATE rejected_rows AS rejected SET discarded_at = now()
    FROM unnest(CAST(:upload_ids AS uuid[]), CAST(:row_numbers AS bigint[]), CAST(:attempts AS int[]))
         AS row (upload_id, row_number, attempt)
    WHERE rejected.upload_id = row.upload_id AND rejected.row_number = row.row_number
      AND rejected.attempt = row.attempt AND discarded_at IS NULL
""")


class LetterPage(NamedTuple):
    """Up to one row more than the limit. `was_cut`: there are as many, but they are too large for a page."""

    rows: Sequence[Row[Any]]
    total: Total
    was_cut: bool


async def list_letters(
    connection: AsyncConnection, matching: LetterFilter, *, after: LetterKey | None, offset: int, limit: int
) -> LetterPage:
    """The dead letters that match, oldest first."""
    key = after or _BEGINNING
    parameters = {
        **key._asdict(),
        **_filter_values(matching),
        "offset": offset,
        "limit": limit + 1,
        "malformed_code": MALFORMED_CODE,
        "cell_bytes": CELL_BYTES,
        "max_bytes": MAX_PAGE_BYTES,
    }
    rows = (await connection.execute(_filtered(_PAGE, matching), parameters)).all()
    was_cut = bool(rows) and len(rows) < rows[0].page_rows
    return LetterPage(rows, await _count_letters(connection, matching), was_cut)


def key_of(row: Row[Any]) -> LetterKey:
    """Of a row of `list_letters`."""
    return LetterKey(row.dead_at, row.key_id, row.key_row)


async def count_matching_rows(connection: AsyncConnection, matching: LetterFilter, *, until: datetime) -> int:
    counted = await connection.execute(select(func.count()).where(*_conditions(matching, until)))
    return int(counted.scalar_one())


async def count_malformed(connection: AsyncConnection, matching: LetterFilter, *, until: datetime) -> int:
    query = select(func.count()).where(*_malformed_conditions(matching, until))
    return int((await connection.execute(query)).scalar_one())


async def count_published(connection: AsyncConnection) -> int:
    """The number of letters that the queue has when each that is not waiting has been published once."""
    return int((await connection.execute(_COUNT_PUBLISHED)).scalar_one())


async def outstanding_rows(
    connection: AsyncConnection,
    matching: LetterFilter,
    *,
    after: LetterKey | None,
    up_to: LetterKey | None = None,
    until: datetime,
    limit: int,
) -> Sequence[OutstandingRow]:
    """The oldest rejected rows past a key, and up to another, that died no later than `until`."""
    row = rejected_rows.c
    key = (row.dead_at, row.upload_id, row.row_number)
    query = select(*key, row.attempt, row.code).where(
        *_conditions(matching, until), tuple_(*key) > tuple_(*(after or _BEGINNING))
    )
    if up_to is not None:
        query = query.where(tuple_(*key) <= tuple_(*up_to))
    found = await connection.execute(query.order_by(*key).limit(limit))
    return [_outstanding_row(each) for each in found]


async def outstanding_among(
    connection: AsyncConnection, letters: Sequence[Letter]
) -> tuple[Sequence[OutstandingRow], set[Letter]]:
    """Of these letters the rows that are outstanding at that attempt, and the malformed messages that are."""
    of_rows = [letter for letter in letters if isinstance(letter, RowLetter)]
    rows = await connection.execute(_OUTSTANDING_AMONG, _columns_of(of_rows))
    ids = [letter.id for letter in letters if isinstance(letter, MalformedLetter)]
    malformed = (await connection.execute(_MALFORMED_AMONG, {"ids": ids})).scalars() if ids else ()
    return [_outstanding_row(each) for each in rows], {MalformedLetter(each) for each in malformed}


async def discard_rows(connection: AsyncConnection, rows: Sequence[OutstandingRow]) -> int:
    """They stay in their upload's report. Returns how many were not discarded, redriven or corrected meanwhile."""
    discarded = await connection.execute(_DISCARD_ROWS, _columns_of([row.letter for row in rows]))
    return discarded.rowcount


async def discard_malformed(connection: AsyncConnection, matching: LetterFilter, *, until: datetime, limit: int) -> int:
    """The oldest; how many there were of them."""
    malformed = malformed_messages.c
    oldest = (
        select(malformed.id)
        .where(*_malformed_conditions(matching, until))
        .order_by(malformed.dead_at, malformed.id)
        .limit(limit)
        .with_for_update()
    )
    discard = update(malformed_messages).where(malformed.id.in_(oldest)).values(discarded_at=func.now())
    return (await connection.execute(discard)).rowcount


async def current_time(connection: AsyncConnection) -> datetime:
    """By the clock that `dead_at` is written with."""
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def _count_letters(connection: AsyncConnection, matching: LetterFilter) -> Total:
    """Exact to `EXACT_LETTERS`."""
    parameters = {"most": EXACT_LETTERS + 1, **_filter_values(matching)}
    counted, estimate = (await connection.execute(_filtered(_COUNT_SHOWN, matching), parameters)).one()
    if counted <= EXACT_LETTERS:
        return Total(counted)
    # Of those that match no more is known than that they are at least so many.
    return Total(counted if matching != LetterFilter() else max(int(estimate), counted), is_estimate=True)


def _columns_of(letters: Sequence[RowLetter]) -> dict[str, list[Any]]:
    """As statements unnest them."""
    return {
        "upload_ids": [letter.upload_id for letter in letters],
        "row_numbers": [letter.row_number for letter in letters],
        "attempts": [letter.attempt for letter in letters],
    }


def _filtered(statement: str, matching: LetterFilter) -> TextClause:
    """Conditions that are not asked for are left out, so that the plan without any stays what it is."""
    time = "" if matching.dead_from is None else " AND dead_at >= :dead_from"
    time += "" if matching.dead_before is None else " AND dead_at < :dead_before"
    rows = "" if matching.upload_id is None else " AND upload_id = :of_upload"
    rows += "" if matching.code is None else " AND code = :with_code"
    malformed = "" if matching.takes_malformed else " AND false"
    return text(statement.format(rows=rows + time, malformed=malformed + time))


def _filter_values(matching: LetterFilter) -> dict[str, Any]:
    """Of what a listing can be asked for."""
    values = {
        "of_upload": matching.upload_id,
        "with_code": matching.code,
        "dead_from": matching.dead_from,
        "dead_before": matching.dead_before,
    }
    return {name: value for name, value in values.items() if value is not None}


def _conditions(matching: LetterFilter, until: datetime) -> Sequence[ColumnElement[bool] | TextClause]:
    row = rejected_rows.c
    conditions = _waiting(rejected_rows, matching, until)
    if matching.upload_id is not None:
        conditions.append(row.upload_id == matching.upload_id)
    if matching.code is not None:
        conditions.append(row.code == matching.code)
    if matching.letters is not None:
        conditions.append(_NAMED_ROWS.bindparams(**_columns_of(matching.rows)))
    return conditions


def _malformed_conditions(matching: LetterFilter, until: datetime) -> Sequence[ColumnElement[bool] | TextClause]:
    conditions = _waiting(malformed_messages, matching, until)
    if matching.letters is not None:
        conditions.append(malformed_messages.c.id.in_(matching.malformed_ids))
    return conditions


def _waiting(table: Table, matching: LetterFilter, until: datetime) -> list[ColumnElement[bool] | TextClause]:
    conditions: list[ColumnElement[bool] | TextClause] = [table.c.discarded_at.is_(None), table.c.dead_at <= until]
    if matching.dead_from is not None:
        conditions.append(table.c.dead_at >= matching.dead_from)
    if matching.dead_before is not None:
        conditions.append(table.c.dead_at < matching.dead_before)
    return conditions


def _outstanding_row(row: Any) -> OutstandingRow:
    return OutstandingRow(LetterKey(row.dead_at, row.upload_id, row.row_number), row.attempt, row.code)
