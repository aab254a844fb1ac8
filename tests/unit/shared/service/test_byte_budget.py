"""A byte budget never lends more than it has, serves in the order of asking, and loses nothing whatever happens."""

from __future__ import annotations

import asyncio

import pytest

from shared.service.byte_budget import BudgetSpent, ByteBudget


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_for_more_than_is_left_waits_for_its_turn() -> None:
    budget = ByteBudget(100, longest_line=10, wait_seconds=60)
    served: list[str] = []

    async def use(name: str, size: int, done: asyncio.Event) -> None:
        async with budget.holding(size):
            served.append(name)
            await done.wait()

    ends = {name: asyncio.Event() for name in ("first", "large", "small")}
    tasks = [
        asyncio.create_task(use(name, size, ends[name])) for name, size in (("first", 60), ("large", 80), ("small", 10))
    ]
    await settled()
    # The small one would fit, and does not overtake.
    assert served == ["first"]
    assert budget.is_short

    ends["first"].set()
    await settled()
    assert served == ["first", "large", "small"]
    for end in ends.values():
        end.set()
    await asyncio.gather(*tasks)
    assert budget.has_room_for(100)


async def test_more_than_there_is_goes_alone() -> None:
    budget = ByteBudget(100, longest_line=10, wait_seconds=60)
    async with budget.holding(1000):
        assert not budget.has_room_for(1)
    assert budget.has_room_for(100)


async def test_waiting_ends_with_its_time_and_with_a_full_line() -> None:
    budget = ByteBudget(100, longest_line=1, wait_seconds=0.05)
    async with budget.holding(100):
        waiting = asyncio.create_task(budget.take(1))
        await settled()
        with pytest.raises(BudgetSpent):
            await budget.take(1)
        with pytest.raises(BudgetSpent):
            await waiting
    assert budget.has_room_for(100)


@pytest.mark.parametrize("is_served", [False, True])
async def test_one_that_is_cancelled_in_line_takes_nothing_and_lets_those_behind_pass(is_served: bool) -> None:
    budget = ByteBudget(100, longest_line=10, wait_seconds=60)
    taken = await budget.take(100)
    first, second = asyncio.create_task(budget.take(80)), asyncio.create_task(budget.take(50))
    await settled()
    if is_served:
        # Its turn comes, and before it runs again it is cancelled.
        budget.give_back(taken)
        first.cancel()
    else:
        first.cancel()
        await settled()
        budget.give_back(taken)
    await asyncio.wait({first, second})

    assert first.cancelled()
    budget.give_back(await second)
    assert budget.has_room_for(100)
