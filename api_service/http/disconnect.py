"""Ends work whose answer nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from api_service.http.shared_timer import SharedTimer

Result = TypeVar("Result")


async def cancel_on_disconnect(
    request: Request, work: Awaitable[Result], *, watch_from: SharedTimer | None = None
) -> Result:
    """Return what the work returns. If the client goes first the work is cancelled, and `ClientDisconnect` raised.

    Work that mostly ends before `watch_from` strikes is spared the look at its client; one that goes is seen then.

    For work that leaves nothing behind when it is cancelled, and only after the body has been read. The work runs in
    the caller's task, so that it is told even when its result was just about to be handed over.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - coroutines run in tasks here
    watching: asyncio.Task[None] | None = None

    def watch() -> None:
        nonlocal watching
        watching = asyncio.create_task(_cancel_when_gone(request, task))

    if watch_from is None:
        watch()
    else:
        watch_from.start(watch)
    try:
        return await work
    except asyncio.CancelledError:
        # Done, it has asked for this; somebody else may have as well, who then must see it.
        if watching is not None and watching.done() and task.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        if watch_from is not None:
            watch_from.stop(watch)
        if watching is not None:
            watching.cancel()


async def _cancel_when_gone(request: Request, task: asyncio.Task[Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    task.cancel()
