"""Finding the ids that a search term matches without reading ten million rows.

Three ways lie ready, and none is chosen blindly:

- a rare term goes through the trigram index; all its ids (at most `EXACT_MATCHES`) make the page and an exact total;
- for a term that the planner's statistics call common, the index would return a large part of the table; its page is
  found by walking the primary key, where the next match is near, and its total is the planner's estimate;
- a term that looked rare and outlasts `INDEX_SEARCH_MILLISECONDS` (nothing but punctuation, which has no trigrams) is
  walked too. A walk looks at no more rows than it is told, and says where to go on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from api_service.search_term import SearchTerm
from shared.telemetry import sqlstate

EXACT_MATCHES: Final = 10_000
INDEX_SEARCH_MILLISECONDS: Final = 2000
# A term is common when the estimate exceeds both. It comes from a sample of about a hundred texts: at these shares it
# practically never makes a term common that has fewer than EXACT_MATCHES.
COMMON_MATCHES: Final = 100_000
COMMON_SHARE: Final = 0.05

_QUERY_CANCELED: Final = "57014"


class Walk(NamedTuple):
    """Matches in the order of their ids. `resume_after` is set when rows were left that nobody looked at."""

    ids: Sequence[int]
    resume_after: int | None


async def estimate_matches(connection: AsyncConnection, term: SearchTerm) -> int:
    """The planner's guess, from its statistics alone; no row is read."""
    explained = await connection.execute(
        text(f"EXPLAIN (FORMAT JSON) SELECT FROM employees WHERE {term.condition}"), {"pattern": term.pattern}
    )
    plan = explained.scalar_one()
    return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])


async def find_rare_matches(
    connection: AsyncConnection, term: SearchTerm, *, estimate: int, employees: int
) -> Sequence[int] | None:
    """The ids of all matches in their order; None for a term that is common or takes too long to look up."""
    if estimate > max(COMMON_MATCHES, COMMON_SHARE * employees):
        return None
    try:
        async with connection.begin_nested():
            await connection.execute(text(f"SET LOCAL statement_timeout = {INDEX_SEARCH_MILLISECONDS}"))
            matches = await _find_matches(connection, term)
            await connection.execute(text("SET LOCAL statement_timeout TO DEFAULT"))
    except DBAPIError as error:
        if sqlstate(error) != _QUERY_CANCELED:
            raise
        return None
    return matches if len(matches) <= EXACT_MATCHES else None


async def walk_matches(
    connection: AsyncConnection, term: SearchTerm, *, after: int, offset: int, limit: int, rows: int
) -> Walk:
    """Matches among the next `rows` employees."""
    found = await connection.execute(
        text(f"""
            SELECT id
            FROM (
                SELECT id, employee_name, email FROM employees WHERE id > :after ORDER BY id LIMIT :rows
            ) AS employees
            WHERE {term.condition}
            ORDER BY id OFFSET :offset LIMIT :limit
        """),  # noqa: S608 - the condition is one of three constants
        {"pattern": term.pattern, "after": after, "rows": rows, "offset": offset, "limit": limit},
    )
    ids = found.scalars().all()
    if len(ids) == limit:
        return Walk(ids, None)
    last_seen_and_next = await find_ids(connection, after=after, offset=rows - 1, limit=2)
    return Walk(ids, last_seen_and_next[0] if len(last_seen_and_next) == 2 else None)


async def find_ids(connection: AsyncConnection, *, after: int, offset: int, limit: int) -> Sequence[int]:
    """Ids alone, so that a far offset counts along the primary key without touching the rows."""
    ids = await connection.execute(
        text("SELECT id FROM employees WHERE id > :after ORDER BY id OFFSET :offset LIMIT :limit"),
        {"after": after, "offset": offset, "limit": limit},
    )
    return ids.scalars().all()


async def _find_matches(connection: AsyncConnection, term: SearchTerm) -> Sequence[int]:
    """Up to one more than `EXACT_MATCHES`."""
    # Materialized, the search is planned for all of its rows. Planned for the first few it would walk the whole table
    # in the hope to meet them early.
    found = await connection.execute(
        text(f"""
            WITH matches AS MATERIALIZED (SELECT id FROM employees WHERE {term.condition})
            SELECT id FROM (SELECT id FROM matches LIMIT :most) AS first_matches ORDER BY id
        """),  # noqa: S608 - the condition is one of three constants
        {"pattern": term.pattern, "most": EXACT_MATCHES + 1},
    )
    return found.scalars().all()
