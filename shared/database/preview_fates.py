"""Finds what would become of a preview's rows, by joining what its consumers noted with the employees.

It is what the consumers' statements do to a file that is read from top to bottom (`consumer_service.employee_writer`,
`optional_writer`), by an upload that is accepted after all others: of the rows with one email one stands, in `update`
mode the last, else the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from shared.database.long_statements import LONGEST_SECONDS, long_statements
from shared.database.row_notes import as_bits
from shared.errors import EMAIL_REFUSALS, RowCode
from shared.rows.fields import KEY_NAME

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.duplicate_mode import DuplicateMode

CHUNKS_AT_ONCE: Final = 20
# Of more rows for each employee it is quicker to read the employees once than to look up each row's.
EMPLOYEES_PER_LOOK_UP: Final = 8

_UPDATE_FATE: Final = """
    CASE WHEN NOT is_known AND (first_named IS NULL OR row_number < first_named) THEN 'unknown_email'
         WHEN row_number <> last_row THEN 'duplicate' WHEN is_known THEN 'updated' ELSE 'inserted' END
"""
# Who has left gives way to any row.
_COMES_BACK: Final = "WHEN has_left AND row_number = first_named THEN 'updated'"
_FATE: Final[dict[str, str]] = {
    "skip": f"CASE {_COMES_BACK} WHEN is_known OR row_number <> first_named THEN 'duplicate' ELSE 'inserted' END",
    "update": _UPDATE_FATE,
    "reject": f"CASE {_COMES_BACK} WHEN is_known OR row_number <> first_named THEN 'duplicate_email'"
    " ELSE 'inserted' END",
}
# The row that stands with the email; null where it is an employee who was there.
_FIRST_UNLESS_KNOWN: Final = "CASE WHEN has_left OR NOT is_known THEN first_named END"
_STANDING_ROW: Final[dict[str, str]] = {
    "skip": _FIRST_UNLESS_KNOWN,
    "update": "last_row",
    "reject": _FIRST_UNLESS_KNOWN,
}
# With which code each mode refuses a row for who is there.
_REFUSAL: Final[dict[str, RowCode]] = {
    "skip": RowCode.UNKNOWN_EMAIL,
    "update": RowCode.UNKNOWN_EMAIL,
    "reject": RowCode.DUPLICATE_EMAIL,
}


def _fates(on_duplicate: DuplicateMode) -> str:
    """A row for each note. Byte by byte is the quickest order to sort by; any would do."""
    return f"""
        SELECT first_row, row_number, line_number, cells, {_FATE[on_duplicate]} AS fate,
               {_STANDING_ROW[on_duplicate]} AS standing_row
        FROM (
            SELECT n.first_row, n.row_number, n.line_number, n.cells, e.id IS NOT NULL AS is_known,
                   e.left_at IS NOT NULL AS has_left,
                   min(n.row_number) FILTER (WHERE n.lacks_name IS NOT TRUE) OVER same_email AS first_named,
                   max(n.row_number) OVER same_email AS last_row
            FROM preview_notes AS n LEFT JOIN employees AS e ON lower(e.email) = n.email
            WHERE n.preview_id = $1 AND n.row_number <= (
                SELECT max(first_row + row_count - 1) FROM preview_chunks WHERE preview_id = $1)
            WINDOW same_email AS (PARTITION BY n.email COLLATE "C")
        ) AS noted
    """  # noqa: S608 - constants of this module


# The planner knows nothing of rows that came a moment ago.
_PREPARE = text(f"""
    SELECT set_config('work_mem', '64MB', true), set_config('statement_timeout', :timeout, true),
           set_config('enable_nestloop', CASE WHEN is_small THEN 'on' ELSE 'off' END, true),
           set_config('enable_hashjoin', CASE WHEN is_small THEN 'off' ELSE 'on' END, true),
           set_config('enable_mergejoin', CASE WHEN is_small THEN 'off' ELSE 'on' END, true)
    FROM (
        SELECT (SELECT coalesce(sum(row_count - rejected), 0) FROM preview_chunks WHERE preview_id = :preview_id)
               * {EMPLOYEES_PER_LOOK_UP} < (SELECT sum(total) FROM employee_totals) AS is_small
    ) AS preview
""")  # noqa: S608 - a constant of this module

# By one snapshot of the employees, whatever is written meanwhile.
_PER_CHUNK: Final = """
    SELECT first_row, count(*) FILTER (WHERE fate = 'inserted'),
           coalesce(array_agg(row_number) FILTER (WHERE fate = 'updated'), '{{}}'),
           coalesce(array_agg(row_number) FILTER (WHERE fate = 'duplicate'), '{{}}'),
           count(*) FILTER (WHERE fate LIKE '%_email'),
           array_agg(row_number) FILTER (WHERE fate LIKE 'duplicate%' AND standing_row IS NOT NULL),
           array_agg(standing_row) FILTER (WHERE fate LIKE 'duplicate%' AND standing_row IS NOT NULL)
"""
_SETTLED: Final = f"{_PER_CHUNK} FROM ({{fates}}) AS fates GROUP BY first_row"
_SETTLED_REFUSING: Final = f"""
    WITH fates AS MATERIALIZED ({{fates}}), refused AS (
        INSERT INTO preview_rejects (preview_id, row_number, line_number, code, field, message, other_faults, cells)
        SELECT $1, row_number, line_number, fate, $2, $3, '[]', cells FROM fates WHERE fate LIKE '%_email'
    )
    {_PER_CHUNK} FROM fates GROUP BY first_row
"""  # noqa: S608 - constants of this module

_REJECTED = text("""
    SELECT first_row, row_count, rejected FROM preview_chunks WHERE preview_id = :preview_id ORDER BY first_row
""")

_CUT_CHUNKS = text("DELETE FROM preview_chunks WHERE preview_id = :preview_id AND first_row > :last_row")
_CUT_REJECTS = text("DELETE FROM preview_rejects WHERE preview_id = :preview_id AND row_number > :last_row")

_SETTLE = text("""
    UPDATE preview_chunks
    SET inserted = :inserted, updated = :updated, duplicates = :duplicates, rejected = rejected + :refused,
        rejected_by = CASE WHEN :refused = 0 THEN rejected_by
                           ELSE rejected_by || jsonb_build_object(CAST(:code AS text), CAST(:refused AS int)) END,
        duplicate_bits = :duplicate_bits, updated_bits = :updated_bits,
        repeated_rows = CAST(:repeated_rows AS bigint[]), standing_rows = CAST(:standing_rows AS bigint[])
    WHERE preview_id = :preview_id AND first_row = :first_row
""")


class FateCounts(NamedTuple):
    """Of the valid rows of a preview. `refused` are those that its duplicate mode refuses for who is there."""

    inserted: int
    updated: int
    duplicates: int
    refused: int


class PreviewFates:
    """Of one preview, in the caller's transaction."""

    def __init__(self, connection: AsyncConnection, preview_id: int, on_duplicate: DuplicateMode) -> None:
        self._connection = connection
        self._preview_id = preview_id
        self._fates = _fates(on_duplicate)
        self._refusal = _REFUSAL[on_duplicate]

    async def count(self) -> FateCounts:
        """As they are by now."""
        (counts,) = await self._fetch(f"""
            SELECT count(*) FILTER (WHERE fate = 'inserted'), count(*) FILTER (WHERE fate = 'updated'),
                   count(*) FILTER (WHERE fate = 'duplicate'), count(*) FILTER (WHERE fate LIKE '%_email')
            FROM ({self._fates}) AS fates
        """)  # noqa: S608 - constants of this module
        return FateCounts(*counts)

    async def cut(self, max_rejects: int) -> None:
        """Forget what comes after the chunk by which more rows than these are rejected.

        Of an upload whose order decides none of that is sent, for it goes one chunk at a time.
        """
        refused = await self._fetch(f"""
            SELECT first_row, count(*) FROM ({self._fates}) AS fates WHERE fate LIKE '%_email' GROUP BY first_row
        """)  # noqa: S608 - constants of this module
        refused_in = dict(refused)
        rejected = 0
        for chunk in (await self._connection.execute(_REJECTED, {"preview_id": self._preview_id})).all():
            rejected += chunk.rejected + refused_in.get(chunk.first_row, 0)
            if rejected > max_rejects:
                cut = {"preview_id": self._preview_id, "last_row": chunk.first_row + chunk.row_count - 1}
                await self._connection.execute(_CUT_CHUNKS, cut)
                await self._connection.execute(_CUT_REJECTS, cut)
                return

    async def settle(self, *, may_refuse: bool) -> None:
        """Write into the preview's ledger what would become of each row, and among its rejects those that its duplicate
        mode refuses. Only once: from then on the ledger is as the upload's would be.
        """
        await self._prepare()
        statement = _SETTLED_REFUSING if may_refuse else _SETTLED
        refusal = (KEY_NAME, EMAIL_REFUSALS[self._refusal]) if may_refuse else ()
        async with long_statements(self._connection) as driver:
            chunks = await driver.cursor(
                statement.format(fates=self._fates), self._preview_id, *refusal, timeout=LONGEST_SECONDS
            )
            while some := await chunks.fetch(CHUNKS_AT_ONCE, timeout=LONGEST_SECONDS):
                await self._connection.execute(_SETTLE, [self._settled(*chunk) for chunk in some])

    def _settled(
        self,
        first_row: int,
        inserted: int,
        updated: list[int],
        duplicates: list[int],
        refused: int,
        repeated: list[int] | None,
        standing: list[int] | None,
    ) -> dict[str, object]:
        row_count = max([first_row, *updated, *duplicates]) - first_row + 1
        return {
            "preview_id": self._preview_id,
            "first_row": first_row,
            "inserted": inserted,
            "updated": len(updated),
            "duplicates": len(duplicates),
            "refused": refused,
            "code": str(self._refusal),
            "duplicate_bits": as_bits(duplicates, first_row, row_count),
            "updated_bits": as_bits(updated, first_row, row_count),
            "repeated_rows": repeated,
            "standing_rows": standing,
        }

    async def _prepare(self) -> None:
        values = {"preview_id": self._preview_id, "timeout": f"{LONGEST_SECONDS}s"}
        await self._connection.execute(_PREPARE, values)

    async def _fetch(self, statement: str) -> list[Any]:
        await self._prepare()
        async with long_statements(self._connection) as driver:
            rows: list[Any] = await driver.fetch(statement, self._preview_id, timeout=LONGEST_SECONDS)
            return rows
