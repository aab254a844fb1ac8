"""Calls that arrive together share a run, and each caller gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from api_service.lease_queues.batcher import Batcher
from tests.support.waiting import eventually


class Refused(Exception):
    """About something that one caller gave."""


class Recorder:
    """A statement: it answers each number with its square, one run at a time when told to."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[int]]] = []
        self.may_run = asyncio.Event()
        self.may_run.set()
        self.refuses: int | None = None
        self.fails: Exception | None = None

    async def __call__(self, key: str, items: Sequence[int]) -> Sequence[int]:
        self.runs.append((key, list(items)))
        await self.may_run.wait()
        if self.fails is not None:
            raise self.fails
        if self.refuses in items:
            raise Refused
        return [item * item for item in items]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def batcher(recorder: Recorder) -> Batcher[str, int, int]:
    return Batcher(recorder, max_weight=10, is_one_callers=lambda error: isinstance(error, Refused))


async def submit_behind_a_run(
    batcher: Batcher[str, int, int], recorder: Recorder, calls: Sequence[Sequence[int]]
) -> list[asyncio.Task[Sequence[int]]]:
    """The first call runs, and the others have arrived."""
    recorder.may_run.clear()
    first = asyncio.create_task(batcher.submit("q", calls[0], weight=len(calls[0])))
    await eventually(lambda: recorder.runs == [("q", list(calls[0]))])
    others = [asyncio.create_task(batcher.submit("q", items, weight=len(items))) for items in calls[1:]]
    await asyncio.sleep(0)
    return [first, *others]


async def test_a_call_alone_runs_at_once(batcher: Batcher[str, int, int], recorder: Recorder) -> None:
    assert await batcher.submit("q", [2, 3], weight=2) == [4, 9]
    assert recorder.runs == [("q", [2, 3])]


async def test_calls_that_arrive_during_a_run_share_the_next_one(
    batcher: Batcher[str, int, int], recorder: Recorder
) -> None:
    tasks = await submit_behind_a_run(batcher, recorder, [[1], [2, 3], [4]])
    recorder.may_run.set()
    assert await asyncio.gather(*tasks) == [[1], [4, 9], [16]]
    assert recorder.runs == [("q", [1]), ("q", [2, 3, 4])]


async def test_keys_do_not_wait_for_each_other(batcher: Batcher[str, int, int], recorder: Recorder) -> None:
    recorder.may_run.clear()
    tasks = [asyncio.create_task(batcher.submit(key, [1], weight=1)) for key in ("a", "b")]
    await eventually(lambda: recorder.runs == [("a", [1]), ("b", [1])])
    recorder.may_run.set()
    assert await asyncio.gather(*tasks) == [[1], [1]]


async def test_a_run_takes_no_more_than_its_weight_and_splits_no_call(
    batcher: Batcher[str, int, int], recorder: Recorder
) -> None:
    tasks = await submit_behind_a_run(batcher, recorder, [[0], [1] * 6, [2] * 5, [3] * 5, [4] * 12])
    recorder.may_run.set()
    await asyncio.gather(*tasks)
    assert recorder.runs[1:] == [("q", [1] * 6), ("q", [2] * 5 + [3] * 5), ("q", [4] * 12)]


async def test_one_callers_error_does_not_fail_the_others(batcher: Batcher[str, int, int], recorder: Recorder) -> None:
    tasks = await submit_behind_a_run(batcher, recorder, [[1], [2], [13], [3]])
    recorder.refuses = 13
    recorder.may_run.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [answers[0], answers[1], answers[3]] == [[1], [4], [9]]
    assert isinstance(answers[2], Refused)


async def test_an_error_that_is_nobodys_own_is_everybodys_and_is_not_tried_again(
    batcher: Batcher[str, int, int], recorder: Recorder
) -> None:
    tasks = await submit_behind_a_run(batcher, recorder, [[1], [2], [3]])
    recorder.fails = ConnectionError()
    recorder.may_run.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionError] * 3
    assert len(recorder.runs) == 2
    recorder.fails = None
    assert await batcher.submit("q", [5], weight=1) == [25]


async def test_a_cancelled_caller_leaves_the_others_their_answers(
    batcher: Batcher[str, int, int], recorder: Recorder
) -> None:
    tasks = await submit_behind_a_run(batcher, recorder, [[1], [2], [3]])
    tasks[0].cancel()
    tasks[1].cancel()
    recorder.may_run.set()
    assert await tasks[2] == [9]
    assert recorder.runs[1:] == [("q", [2, 3])]


async def test_close_waits_for_what_runs_and_what_follows(batcher: Batcher[str, int, int], recorder: Recorder) -> None:
    tasks = await submit_behind_a_run(batcher, recorder, [[1], [2]])
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0)
    assert not closing.done()
    recorder.may_run.set()
    await closing
    assert [task.done() for task in tasks] == [True, True]


async def test_fewer_answers_than_items_are_an_error_of_everybody_and_nobody_waits_for_ever() -> None:
    async def forget_one(_: str, items: Sequence[int]) -> Sequence[int]:
        return items[1:]

    batcher = Batcher(forget_one, max_weight=10, is_one_callers=lambda _: False)
    calls = [batcher.submit("q", items, weight=len(items)) for items in ([1], [2, 3])]
    outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 30)
    assert [type(outcome) for outcome in outcomes] == [RuntimeError, RuntimeError]
    await batcher.close()
