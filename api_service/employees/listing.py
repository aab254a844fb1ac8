"""A page of employees, all or those that a term matches, without reading ten million rows.

Three ways lie ready for a term, and none is chosen blindly:

- a rare term goes through the indexes for searches; all its ids (at most `EXACT_MATCHES`) make the page and an exact
  total;
- for a term that the planner's statistics call common, the index would return a large part of the table; its page is
  found by walking the primary key, where the next match is near, and its total is the planner's estimate;
- a term that looked rare and has more matches than that, or outlasts `INDEX_SEARCH_SECONDS`, is walked too. A walk
  looks at no more rows than it is told, and says where to go on.

What a term turned out to be is remembered for a while, so that only its first page pays for finding it out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from api_service.employees import statements
from api_service.employees.read_pool import ReadPool
from api_service.employees.search_term import LOOKED_UP_TRIGRAMS, SearchTerm
from api_service.employees.term_cache import TermCache, Weight
from api_service.employees.trigram_shares import TrigramShares
from api_service.http.pagination import Total
from api_service.http.shared_timer import SharedTimer

EXACT_MATCHES: Final = 10_000
INDEX_SEARCH_SECONDS: Final = 2.0
SLOW_SEARCH_SECONDS: Final = 0.05
# A term is common when the estimate exceeds both. It comes from a sample of about a hundred texts: at these shares it
# practically never makes a term common that has fewer than EXACT_MATCHES.
COMMON_MATCHES: Final = 100_000
COMMON_SHARE: Final = 0.05
# About a second's work.
WALK_ROWS: Final = 1_000_000

# By whether those who left are in it: put together once, because a plain list takes no longer than that would.
_AFTER: Final = {with_left: statements.after(with_left=with_left) for with_left in (False, True)}
_AT_OFFSET: Final = {with_left: statements.at_offset(with_left=with_left) for with_left in (False, True)}

# An employee under the names that the API shows its values by (`statements`).
ListedEmployee = dict[str, Any]


class EmployeePage(NamedTuple):
    """Up to one employee more than a page has. `resume_after` is set when the search was cut short before."""

    employees: Sequence[ListedEmployee]
    total: Total
    resume_after: int | None = None


class PageTooDeep(Exception):
    """So many matches lie before the page that counting them off is too much work; a cursor gets there."""


class SearchTooSlow(Exception):
    """The indexes had a term's matches not within `INDEX_SEARCH_SECONDS`."""


class EmployeeListing:
    """The employees of one database, with what is known of the terms that were searched for."""

    def __init__(self, reads: ReadPool, searches: ReadPool, shares: TrigramShares | None = None) -> None:
        self._reads = reads
        self._searches = searches
        self._shares = shares or TrigramShares()
        self._terms = TermCache()
        # Strikes for a search that takes longer than most, whose client may have gone.
        self.slow_searches = SharedTimer(SLOW_SEARCH_SECONDS)

    async def page(
        self,
        term: SearchTerm | None,
        *,
        limit: int,
        after: int = 0,
        offset: int = 0,
        walk_rows: int | None = None,
        with_left: bool = False,
    ) -> EmployeePage:
        """`limit` employees in the order of their ids, after an id or from an offset, those who left only if asked for.

        Raises `PageTooDeep`.
        """
        if term is None:
            async with self._reads.turn():
                return await self._page_of_all(after, offset, limit, with_left=with_left)
        # One turn for all statements of a search: one that has begun is not given up for want of another.
        async with self._searches.turn():
            weight = self._terms.get(term) or self._terms.put(term, await self.weigh(term))
            if not weight.is_common:
                try:
                    page = await self.find_rare(term, after=after, offset=offset, limit=limit, with_left=with_left)
                    if page is not None:
                        return page
                    weight = Weight(max(weight.estimate, EXACT_MATCHES + 1), is_common=True)
                except SearchTooSlow:
                    weight = weight._replace(is_common=True)
                self._terms.put(term, weight)
            found = await self.walk(
                term, after=after, offset=offset, limit=limit, rows=walk_rows or WALK_ROWS, with_left=with_left
            )
        if offset and not found.employees and found.resume_after is not None:
            raise PageTooDeep
        return found._replace(total=_walked_total(found, weight.estimate, after=after, offset=offset, limit=limit))

    async def page_of_upload(
        self,
        upload_id: UUID,
        term: SearchTerm | None,
        *,
        limit: int,
        after: int,
        offset: int,
        with_left: bool = False,
    ) -> EmployeePage | None:
        """Of those that stand as that upload left them, with an exact total; None if there is no such upload."""
        async with self._searches.turn():
            found = await self._searches.fetch(statements.SEQUENCE_OF_UPLOAD, upload_id)
            if not found:
                return None
            patterns = () if term is None else (term.pattern,)
            arguments = (found[0]["sequence"], after, offset, limit, *patterns)
            return _page(await self._searches.fetch(statements.of_upload(term, with_left=with_left), *arguments))

    async def one(self, employee_id: int) -> ListedEmployee | None:
        async with self._reads.turn():
            found = await self._reads.fetch(statements.ONE, employee_id)
        return dict(found[0]) if found else None

    async def weigh(self, term: SearchTerm) -> Weight:
        """Ask the planner how common it believes a term to be."""
        [[plan]] = await self._searches.fetch(statements.explain(term), term.pattern)
        estimate = int(json.loads(plan)[0]["Plan"]["Plan Rows"])
        if estimate <= COMMON_MATCHES:
            return Weight(estimate, is_common=False)
        [[employees]] = await self._searches.fetch(statements.COUNT)
        return Weight(estimate, is_common=estimate > COMMON_SHARE * employees)

    async def find_rare(
        self, term: SearchTerm, *, after: int, offset: int, limit: int, with_left: bool = False
    ) -> EmployeePage | None:
        """None for a term that has too many matches. Raises `SearchTooSlow`."""
        trigrams = self._shares.rarest(term.trigrams, LOOKED_UP_TRIGRAMS)
        arguments = (term.pattern, EXACT_MATCHES + 1, after, offset, limit, *trigrams)
        try:
            found = await self._searches.fetch(
                statements.rare_matches(term, with_left=with_left), *arguments, timeout_seconds=INDEX_SEARCH_SECONDS
            )
        except TimeoutError:
            raise SearchTooSlow from None
        page = _page(found)
        return page if page.total.items <= EXACT_MATCHES else None

    async def walk(
        self, term: SearchTerm, *, after: int, offset: int, limit: int, rows: int, with_left: bool = False
    ) -> EmployeePage:
        """Matches among the next `rows` employees, of a total that a walk cannot know."""
        statement = statements.walk(term, with_left=with_left)
        found = await self._searches.fetch(statement, term.pattern, after, rows, offset, limit)
        employees = [dict(row) for row in found]
        if len(employees) == limit:
            return EmployeePage(employees, Total(0))
        last_seen_and_next = await self._searches.fetch(statements.WALK_END, after, rows - 1)
        resume_after = last_seen_and_next[0]["id"] if len(last_seen_and_next) == 2 else None
        return EmployeePage(employees, Total(0), resume_after)

    async def _page_of_all(self, after: int, offset: int, limit: int, *, with_left: bool) -> EmployeePage:
        if offset:
            return _page(await self._reads.fetch(_AT_OFFSET[with_left], offset, limit))
        return _page(await self._reads.fetch(_AFTER[with_left], after, limit))


def _walked_total(found: EmployeePage, estimate: int, *, after: int, offset: int, limit: int) -> Total:
    seen = offset + len(found.employees)
    saw_all = not after and found.resume_after is None and len(found.employees) < limit
    # A page beyond the last match does not tell how far.
    if saw_all and (found.employees or not offset):
        return Total(seen)
    return Total(max(estimate, seen), is_estimate=True)


def _page(found: Sequence[asyncpg.Record]) -> EmployeePage:
    total = Total(found[0]["total"])
    if found[0]["id"] is None:
        return EmployeePage([], total)
    employees = [dict(row) for row in found]
    for employee in employees:
        del employee["total"]
    return EmployeePage(employees, total)
