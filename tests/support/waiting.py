"""Waiting for an effect instead of for a time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def eventually(condition: Callable[[], bool | Awaitable[bool]], *, seconds: float = 20) -> None:
    """Returns once the condition holds; fails the test when it still does not after that time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        outcome = condition()
        if await outcome if inspect.isawaitable(outcome) else outcome:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"still not so after {seconds} s")
        await asyncio.sleep(0.02)
