"""Finds who would leave by a preview's file, as an upload that is accepted after all others does when its rows are in.

An upload decides over employees as its rows have left them (`producer_service.leavers`). Here nothing is written, so
whom the rows would bring back or move to another company is reckoned from what consumers noted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from shared.database.absence import Absence, in_scope, most_absent
from shared.database.long_statements import LONGEST_SECONDS, long_statements

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shared.duplicate_mode import DuplicateMode

_PREPARE: Final = text("""
    SELECT set_config('enable_nestloop', 'off', true), set_config('enable_hashjoin', 'on', true),
           set_config('work_mem', '64MB', true), set_config('statement_timeout', :timeout, true)
""")

# A chunk that a consumer of an earlier release noted names nobody.
_IS_TOLD: Final = text("""
    SELECT NOT EXISTS (
        SELECT FROM preview_chunks AS c WHERE c.preview_id = :preview_id AND NOT EXISTS (
            SELECT FROM preview_names AS n WHERE n.preview_id = :preview_id AND n.first_row = c.first_row))
""")

_UNREADABLE: Final = text("SELECT coalesce(sum(unreadable_rows), 0) FROM preview_names WHERE preview_id = :preview_id")

# The company of who is known already, once the rows with one email were written: of those that say one the last, where
# an `update` keeps what its rows leave out; else that of the row which brings somebody back who has left.
_SAID: Final = {
    "update": """
        SELECT DISTINCT ON (email COLLATE "C") email, nullif(company_name, '') AS company_name
        FROM preview_notes WHERE preview_id = $1
        ORDER BY email COLLATE "C", company_name = '', row_number DESC
    """,
    "other": """
        SELECT DISTINCT ON (email COLLATE "C") email, company_name
        FROM preview_notes WHERE preview_id = $1 AND lacks_name IS NOT TRUE
        ORDER BY email COLLATE "C", row_number
    """,
}
_IS_IN_SCOPE: Final = in_scope("e.company_name", "$2")
_IS_THERE: Final = {
    "update": f"""
        CASE WHEN said.email IS NULL THEN e.left_at IS NULL AND {_IS_IN_SCOPE}
             ELSE {in_scope("coalesce(said.company_name, e.company_name)", "$2")} END
    """,
    "other": f"""
        CASE WHEN e.left_at IS NULL THEN {_IS_IN_SCOPE}
             ELSE said.company_name IS NOT NULL AND {in_scope("said.company_name", "$2")} END
    """,
}

_ABSENT: Final = f"""
    SELECT e.id FROM employees AS e
    WHERE e.left_at IS NULL AND {_IS_IN_SCOPE}
      AND NOT EXISTS (
          SELECT FROM (SELECT unnest(emails) AS email FROM preview_names WHERE preview_id = $1) AS named
          WHERE named.email = lower(e.email))
"""  # noqa: S608 - constants
_COUNT: Final = f"SELECT count(*) FROM ({_ABSENT}) AS absent"  # noqa: S608 - constants
_LIST: Final = f"""
    INSERT INTO preview_leavers (preview_id, number, employee_id)
    SELECT $1, row_number() OVER (ORDER BY id), id FROM ({_ABSENT}) AS absent
"""  # noqa: S608 - constants


class Absentees(NamedTuple):
    """A preview that is to find who has left, and by which options."""

    preview_id: int
    on_duplicate: DuplicateMode
    scope: str
    at_most: str

    async def find(self, connection: AsyncConnection) -> Absence | None:
        """As they are by now; None where an earlier release had a part in the preview."""
        key = {"preview_id": self.preview_id}
        if not (await connection.execute(_IS_TOLD, key)).scalar_one():
            return None
        await connection.execute(_PREPARE, {"timeout": f"{LONGEST_SECONDS}s"})
        unreadable = int((await connection.execute(_UNREADABLE, key)).scalar_one())
        there = await self._fetch(connection, self._count_there())
        absent = await self._fetch(connection, _COUNT)
        return Absence(there, absent, most_absent(self.at_most, there), unreadable)

    async def store(self, connection: AsyncConnection) -> None:
        """Who they are, once, in the transaction that found that nothing keeps them."""
        async with long_statements(connection) as driver:
            await driver.execute(_LIST, self.preview_id, self.scope, timeout=LONGEST_SECONDS)

    def _count_there(self) -> str:
        mode = "update" if self.on_duplicate == "update" else "other"
        return f"""
            SELECT count(*) FILTER (WHERE {_IS_THERE[mode]})
            FROM employees AS e LEFT JOIN ({_SAID[mode]}) AS said ON said.email = lower(e.email)
        """  # noqa: S608 - constants

    async def _fetch(self, connection: AsyncConnection, statement: str) -> int:
        async with long_statements(connection) as driver:
            found: Any = await driver.fetchval(statement, self.preview_id, self.scope, timeout=LONGEST_SECONDS)
            return int(found)
