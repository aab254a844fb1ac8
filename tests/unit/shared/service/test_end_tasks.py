"""Tasks end when they are to, whatever becomes of the first cancellation."""

from __future__ import annotations

import asyncio

import pytest

from shared.service import end_tasks as module
from shared.service.end_tasks import end_tasks


async def go_on_for_ever() -> None:
    await asyncio.Event().wait()


async def lose_cancellations(times: int) -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if times == 0:
                raise
            times -= 1


async def fail_when_cancelled() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        raise ValueError("on the way out")


async def put_in_order(seconds: float, did: list[str]) -> None:
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(seconds)
        did.append("put in order")


async def nothing() -> None: ...


async def test_all_have_ended_however_they_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.05)
    works = (go_on_for_ever(), lose_cancellations(0), lose_cancellations(3), fail_when_cancelled(), nothing())
    tasks = [asyncio.create_task(work) for work in works]
    await asyncio.sleep(0.02)
    async with asyncio.timeout(20):
        await end_tasks(tasks)
    assert all(task.done() for task in tasks)


async def test_a_task_has_time_to_put_things_in_order() -> None:
    did: list[str] = []
    task = asyncio.create_task(put_in_order(0.1, did))
    await asyncio.sleep(0)
    await end_tasks([task])
    assert did == ["put in order"]


async def test_without_tasks_there_is_nothing_to_wait_for() -> None:
    await end_tasks([])
