"""Waiting for the end of a process that a test has started, and not for ever."""

from __future__ import annotations

import asyncio

from tests.support.patience import patience


async def ended(process: asyncio.subprocess.Process, *, seconds: float = 120) -> tuple[bytes, bytes]:
    """What it said, on those of its two streams that are pipes. One that has not ended by then is killed: TimeoutError.

    The time is that of a quiet machine.
    """
    try:
        async with asyncio.timeout(seconds * patience()):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out or b"", err or b""
