"""Ends tasks that would go on for ever, so that a process that is asked to end does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

# Long enough for what a task puts in order on its way out.
AGAIN_SECONDS: Final = 5.0


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels them, and returns when all have ended, however they did.

    Once is not enough: a cancellation is lost when it comes in the moment in which a library gives something up by
    itself, or has just got it (`asyncio.wait_for` before Python 3.12, drivers that connect). The task then goes on.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                # Whatever it was, it is over; nobody is told once more that it was never asked for.
                task.exception()
