"""Asking again what a fault has interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
import httpx2

T = TypeVar("T")

# What passes when the services and servers are back.
PASSING: Final = (OSError, httpx2.HTTPError, asyncpg.PostgresError, asyncpg.InterfaceError)
PAUSE_SECONDS: Final = 0.3


async def patiently(attempt: Callable[[], Awaitable[T]], *, seconds: float) -> T:
    """What it returns as soon as nothing is in its way. Raises the last of what was, after that time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await attempt()
        except PASSING:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
