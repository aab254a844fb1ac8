"""How common trigrams are, from a sample of the employees: a long term is looked up by the rarest that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import asyncpg
import structlog

from api_service.employees import statements
from api_service.employees.read_pool import ReadPool
from shared.database.engine import DATABASE_ERRORS
from shared.service.telemetry import describe_error

log = structlog.get_logger(__name__)

# A fraction of a second's work, every few minutes.
SAMPLED_EMPLOYEES: Final = 20_000
SAMPLE_SECONDS: Final = 300.0

Fetch = Callable[..., Awaitable[Sequence[Any]]]


class TrigramShares:
    """Knows nothing until the first sample, and takes the trigrams as they come then."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def rarest(self, trigrams: Sequence[str], count: int) -> list[str]:
        """Those that the sample has least often; of equals, those that stand first."""
        return sorted(trigrams, key=lambda trigram: self._counts.get(trigram, 0))[:count]

    async def sample(self, fetch: Fetch) -> None:
        [[employees]] = await fetch(statements.COUNT)
        percent = min(100.0, 100 * SAMPLED_EMPLOYEES / max(employees, 1))
        self._counts = {row["trigram"]: row["count"] for row in await fetch(statements.TRIGRAM_SAMPLE, percent)}

    async def keep_sampling(self, searches: ReadPool) -> None:
        """Until cancelled. A database that is away is tried again the next time."""
        while True:
            try:
                async with searches.turn():
                    await self.sample(searches.fetch)
            except (*DATABASE_ERRORS, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("trigrams not sampled", **describe_error(error))
            await asyncio.sleep(SAMPLE_SECONDS)
