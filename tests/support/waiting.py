"""Waiting for an effect instead of for a time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from tests.support.patience import patience

SHORTEST_PAUSE_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 0.25


def pause_after(waited_seconds: float) -> float:
    """Seconds until one asks again, more of them the longer it takes already: many conditions ask a service, which
    shares the processor with what they wait for.
    """
    return min(max(waited_seconds / 20, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]], *, seconds: float = 20, exactly: bool = False
) -> None:
    """Returns once the condition holds; fails the test when it still does not after that time on a quiet machine.

    On a busy or slow one it waits longer, unless the time itself is what the test is about (`exactly`).
    """
    clock = asyncio.get_running_loop().time
    began, allowed = clock(), seconds
    while True:
        outcome = condition()
        if await outcome if inspect.isawaitable(outcome) else outcome:
            return
        if clock() > began + allowed:
            # Asked only now: the machine may have become busy meanwhile.
            if not exactly:
                allowed = max(allowed, seconds * patience())
            if clock() > began + allowed:
                raise AssertionError(f"still not so after {allowed:.3g} s")
        await asyncio.sleep(pause_after(clock() - began))


async def somebody_waits_for_a_lock(database: asyncpg.Connection, statement: str = "") -> bool:
    """True when a session of this database waits for another's transaction to end, in a statement with these words."""
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND position($1::text IN query) > 0
    """
    return bool(await database.fetchval(query, statement))
