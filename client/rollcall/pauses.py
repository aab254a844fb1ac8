"""Waiting, in both worlds."""

from __future__ import annotations

import asyncio
import time


async def apause(seconds: float) -> None:
    await asyncio.sleep(seconds)


def pause(seconds: float) -> None:
    time.sleep(seconds)
