"""Notices that a client hung up while its answer was in the making."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

Result = TypeVar("Result")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """What the work returns. If the client goes first the work is cancelled, and `ClientDisconnect` raised.

    For work that leaves nothing behind when it is cancelled, and only after the body has been read.
    """
    working = asyncio.ensure_future(work)
    hanging_up = asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait({working, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        if hanging_up.done() and not working.done():
            raise ClientDisconnect
        return await working
    finally:
        hanging_up.cancel()
        working.cancel()


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
