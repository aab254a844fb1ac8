"""A timer that many pieces of work share."""

from __future__ import annotations

import asyncio

import pytest

from api_service.http.shared_timer import SharedTimer

SECONDS = 0.02
LONG_ENOUGH = 0.5


async def test_strikes_once_for_each_that_waits() -> None:
    timer = SharedTimer(SECONDS)
    struck: list[str] = []
    timer.start(lambda: struck.append("first"))
    await asyncio.sleep(SECONDS / 2)
    timer.start(lambda: struck.append("second"))
    await asyncio.sleep(LONG_ENOUGH)
    assert sorted(struck) == ["first", "second"]


async def test_does_not_strike_sooner_than_it_says() -> None:
    timer = SharedTimer(SECONDS)
    loop = asyncio.get_running_loop()
    timer.start(lambda: None)
    # Just before the timer comes round.
    await asyncio.sleep(SECONDS * 0.9)
    struck = loop.create_future()
    begin = loop.time()
    timer.start(lambda: struck.set_result(loop.time()))
    assert await struck - begin >= SECONDS


@pytest.mark.parametrize("times_round", [0, 1])
async def test_does_not_strike_for_what_was_stopped(times_round: int) -> None:
    timer = SharedTimer(SECONDS)
    struck: list[str] = []
    stopped, others = (lambda: struck.append("stopped")), (lambda: struck.append("other"))
    timer.start(stopped)
    timer.start(others)
    # After the first they are due with the next.
    for _ in range(times_round):
        timer._strike()
    timer.stop(stopped)
    await asyncio.sleep(LONG_ENOUGH)
    assert struck == ["other"]


async def test_does_not_strike_for_what_another_stops_as_it_is_struck_for() -> None:
    timer = SharedTimer(SECONDS)
    struck: list[str] = []

    def stop(other: str) -> None:
        struck.append(other)
        timer.stop(callbacks[other])

    callbacks = {"first": lambda: stop("second"), "second": lambda: stop("first")}
    for callback in callbacks.values():
        timer.start(callback)
    await asyncio.sleep(LONG_ENOUGH)
    assert len(struck) == 1


async def test_goes_round_again_after_it_stood_still() -> None:
    timer = SharedTimer(SECONDS)
    for _ in range(2):
        struck = asyncio.Event()
        timer.start(struck.set)
        await asyncio.wait_for(struck.wait(), 30)
        await asyncio.sleep(SECONDS * 3)
