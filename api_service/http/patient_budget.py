"""A byte budget whose holders wait for their clients, patiently only while nobody else wants the room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, TypeVar

from shared.service.byte_budget import ByteBudget
from shared.service.request_body import SMALL_BYTES

Block = TypeVar("Block")

# A client may pause so long, and must bring so much, while others wait for the room that it holds.
PRESSED_PAUSE_SECONDS: Final = 5
PRESSED_BYTES_PER_SECOND: Final = 16 * 1024


class PatientBudget:
    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        # When each pause began, by the timeout that would end it.
        self._pauses: dict[asyncio.Timeout, float] = {}

    @property
    def is_pressed(self) -> bool:
        return self._budget.is_short

    @asynccontextmanager
    async def holding(self, size: int) -> AsyncIterator[None]:
        """Raises `BudgetSpent`."""
        if not self._budget.has_room_for(size):
            self._hurry()
        async with self._budget.holding(size):
            yield

    async def next_block(self, stream: AsyncIterator[Block], *, pause_seconds: float) -> Block | None:
        """What comes next of a holder's stream. Raises `TimeoutError`, sooner where somebody waits for the room."""
        now = asyncio.get_running_loop().time()
        pause = asyncio.timeout(min(pause_seconds, PRESSED_PAUSE_SECONDS) if self.is_pressed else pause_seconds)
        self._pauses[pause] = now
        try:
            async with pause:
                return await anext(stream, None)
        finally:
            del self._pauses[pause]

    def _hurry(self) -> None:
        now = asyncio.get_running_loop().time()
        for pause, begun in self._pauses.items():
            when = pause.when()
            if when is not None and not pause.expired():
                pause.reschedule(min(when, max(now, begun + PRESSED_PAUSE_SECONDS)))


class UploadRoom(NamedTuple):
    """Small uploads have room of their own, so that none waits behind large ones."""

    small: PatientBudget
    large: PatientBudget

    def of(self, length: int) -> PatientBudget:
        return self.small if length <= SMALL_BYTES else self.large
