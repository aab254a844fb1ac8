"""Puts calls that arrive together into one statement, and gives each caller its own answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _Call(NamedTuple, Generic[Item, Answer]):
    items: Sequence[Item]
    weight: int
    answered: asyncio.Future[Sequence[Answer]]


class Batcher(Generic[Key, Item, Answer]):
    """The first call for a key runs at once; those that arrive meanwhile run together afterwards, in their order.

    So nobody waits for company, and the busier it gets the more share one commit. `run` gets the items of all the calls
    of a batch and returns one answer for each item. An error of `run` is every caller's, unless `is_one_callers` says
    that it is about something that a caller gave: then each call is run again on its own. So `run` must do all or
    nothing, and such an error must mean nothing.
    """

    def __init__(
        self,
        run: Callable[[Key, Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        max_weight: int,
        is_one_callers: Callable[[BaseException], bool],
    ) -> None:
        self._run = run
        self._max_weight = max_weight
        self._is_one_callers = is_one_callers
        self._waiting: dict[Key, deque[_Call[Item, Answer]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def submit(self, key: Key, items: Sequence[Item], *, weight: int) -> Sequence[Answer]:
        """One answer for each item. A caller that is cancelled leaves its items with the batch."""
        call = _Call[Item, Answer](items, weight, asyncio.get_running_loop().create_future())
        if key in self._waiting:
            self._waiting[key].append(call)
        else:
            self._waiting[key] = deque([call])
            task = asyncio.create_task(self._run_all(key))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await call.answered

    async def close(self) -> None:
        """Returns when every call has its answer."""
        while self._running:
            await asyncio.wait(self._running)

    async def _run_all(self, key: Key) -> None:
        waiting = self._waiting[key]
        while waiting:
            await self._run_calls(key, self._next_batch(waiting))
        del self._waiting[key]

    def _next_batch(self, waiting: deque[_Call[Item, Answer]]) -> list[_Call[Item, Answer]]:
        """As many as fit, and always one."""
        batch = [waiting.popleft()]
        weight = batch[0].weight
        while waiting and weight + waiting[0].weight <= self._max_weight:
            batch.append(waiting.popleft())
            weight += batch[-1].weight
        return batch

    async def _run_calls(self, key: Key, calls: Sequence[_Call[Item, Answer]]) -> None:
        try:
            answers = iter(await self._answers(key, [item for call in calls for item in call.items]))
        except Exception as error:  # whatever it is, it is the answer to those who wait here
            if len(calls) > 1 and self._is_one_callers(error):
                for call in calls:
                    await self._run_calls(key, [call])
                return
            for call in calls:
                if not call.answered.done():
                    call.answered.set_exception(error)
        else:
            for call in calls:
                own = [next(answers) for _ in call.items]
                if not call.answered.done():
                    call.answered.set_result(own)

    async def _answers(self, key: Key, items: Sequence[Item]) -> Sequence[Answer]:
        answers = await self._run(key, items)
        if len(answers) != len(items):
            # Who waited for what is missing would wait for ever.
            raise RuntimeError(f"{len(answers)} answers for {len(items)} items")
        return answers
