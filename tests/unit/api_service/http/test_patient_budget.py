"""Who holds room for a client that pauses keeps it for as long as nobody else wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from api_service.http import patient_budget
from api_service.http.patient_budget import PatientBudget
from shared.service.byte_budget import ByteBudget
from tests.support.waiting import eventually


async def never() -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


@pytest.mark.parametrize("others_come", ["before", "after", "not at all"])
async def test_pause_ends_sooner_where_somebody_waits_for_the_room(
    others_come: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_budget, "PRESSED_PAUSE_SECONDS", 0.05)
    room = PatientBudget(ByteBudget(100, longest_line=10, wait_seconds=60))

    async def hold() -> None:
        async with room.holding(100):
            if others_come == "before":
                await eventually(lambda: room.is_pressed)
            await room.next_block(never(), pause_seconds=3600)

    async def want() -> None:
        async with room.holding(50):
            pass

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0)
    if others_come == "not at all":
        await asyncio.wait({holder}, timeout=0.2)
        assert not holder.done()
        holder.cancel()
        return
    await asyncio.wait_for(asyncio.create_task(want()), 20)
    with pytest.raises(TimeoutError):
        await holder
