"""The send window is shared evenly, so that no upload waits behind another (P6)."""

from __future__ import annotations

import asyncio

import pytest

from producer_service.uploads.lanes import places_for
from producer_service.uploads.send_window import SendWindow, WindowShare
from tests.support.waiting import eventually


async def test_one_upload_has_the_whole_window_and_then_waits() -> None:
    share = SendWindow(4).share()

    taken = await _take(share, 5)

    assert taken == 4


async def test_each_answer_makes_room_for_one_chunk() -> None:
    share = SendWindow(2).share()
    await _take(share, 2)
    waiting = asyncio.create_task(share.acquire())

    share.release()

    await asyncio.wait_for(waiting, 5)
    assert await _take(share, 1) == 0


@pytest.mark.parametrize(("uploads", "each"), [(2, [4, 4]), (3, [2, 2, 2]), (8, [1] * 8), (10, [1] * 8 + [0] * 2)])
async def test_uploads_share_the_window_evenly_and_never_have_more_together(uploads: int, each: list[int]) -> None:
    send_window = SendWindow(8)
    shares = [send_window.share() for _ in range(uploads)]

    assert [await _take(share, 9) for share in shares] == each


@pytest.mark.fault(28)
async def test_more_uploads_than_places_get_them_in_turn() -> None:
    send_window = SendWindow(2)
    shares = [send_window.share() for _ in range(4)]
    taken: asyncio.Queue[int] = asyncio.Queue()

    async def send_chunks(number: int) -> None:
        for _ in range(3):
            await shares[number].acquire()
            taken.put_nowait(number)
            await asyncio.sleep(0)

    sending = [asyncio.create_task(send_chunks(number)) for number in range(4)]
    order = []
    for _ in range(12):
        order.append(await asyncio.wait_for(taken.get(), 5))
        shares[order[-1]].release()
    await asyncio.gather(*sending)

    assert order == [0, 1, 2, 3] * 3


async def test_new_upload_gets_the_next_place_although_another_has_filled_the_window_and_waits_for_more() -> None:
    send_window = SendWindow(4)
    large = send_window.share()
    assert await _take(large, 4) == 4
    more_of_the_large = asyncio.create_task(large.acquire())
    await asyncio.sleep(0)

    small = send_window.share()

    assert await _take(small, 1) == 0
    for places in (1, 2):
        large.release()
        assert await _take(small, 1) == 1, places
    assert await _take(small, 1) == 0
    assert not more_of_the_large.done()
    large.release()
    await asyncio.wait_for(more_of_the_large, 5)


async def test_whatever_an_upload_had_is_free_when_it_leaves() -> None:
    send_window = SendWindow(3)
    leaving = send_window.share()
    await _take(leaving, 3)

    leaving.leave()

    assert await _take(send_window.share(), 4) == 3
    # Answers that come too late change nothing.
    leaving.release()
    assert await _take(send_window.share(), 1) == 0


async def test_those_that_wait_go_on_when_another_upload_leaves() -> None:
    send_window = SendWindow(4)
    staying, leaving = send_window.share(), send_window.share()
    assert await _take(staying, 2) == 2
    waiting = [asyncio.create_task(staying.acquire()) for _ in range(2)]
    await asyncio.sleep(0)

    leaving.leave()

    await asyncio.wait_for(asyncio.gather(*waiting), 5)


async def test_window_that_shrinks_takes_places_away_as_they_are_given_back() -> None:
    send_window = SendWindow(8)
    large, other = send_window.share(), send_window.share()
    assert (await _take(large, 9), await _take(other, 9)) == (4, 4)

    send_window.resize(4)

    for _ in range(2):
        large.release()
        other.release()
    assert (await _take(large, 9), await _take(other, 9)) == (0, 0)
    large.release()
    assert await _take(large, 9) == 1


async def test_window_that_grows_gives_its_places_to_those_that_wait() -> None:
    send_window = SendWindow(2)
    share = send_window.share()
    assert await _take(share, 2) == 2
    waiting = [asyncio.create_task(share.acquire()) for _ in range(6)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)

    send_window.resize(8)

    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert await _take(share, 1) == 0


@pytest.mark.parametrize(
    ("consumers", "at_most", "places"),
    [(1, 8, 4), (2, 8, 4), (3, 8, 6), (4, 8, 8), (9, 8, 8), (9, 32, 18), (2, 2, 2), (0, 8, 8), (0, 2, 2)],
)
def test_larger_uploads_have_two_places_for_each_consumer(consumers: int, at_most: int, places: int) -> None:
    assert places_for(consumers, at_most=at_most) == places


async def test_share_of_at_most_one_sends_one_chunk_at_a_time_however_wide_the_window() -> None:
    share = SendWindow(16).share(at_most=1)

    assert await _take(share, 3) == 1
    share.release()
    assert await _take(share, 3) == 1


async def test_waiter_that_was_cancelled_takes_no_place() -> None:
    share = SendWindow(1).share()
    await share.acquire()
    cancelled = asyncio.create_task(share.acquire())
    patient = asyncio.create_task(share.acquire())
    await asyncio.sleep(0)

    cancelled.cancel()
    share.release()

    await asyncio.wait_for(patient, 5)
    await eventually(cancelled.cancelled)


async def _take(share: WindowShare, wanted: int) -> int:
    """The number of places that are free at once."""
    attempts = [asyncio.create_task(share.acquire()) for _ in range(wanted)]
    await asyncio.sleep(0)
    taken = sum(attempt.done() for attempt in attempts)
    for attempt in attempts:
        attempt.cancel()
    await asyncio.gather(*attempts, return_exceptions=True)
    return taken
