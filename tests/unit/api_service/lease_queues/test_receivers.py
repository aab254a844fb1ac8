"""The line of receivers of one queue, with a claim whose moment the test chooses."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from api_service.lease_queues.message_queries import Claim, ClaimStart
from api_service.lease_queues.messages import LeasedMessage, Receipt, ReceiveOrder
from api_service.lease_queues.receivers import Receivers
from tests.support.waiting import eventually

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ONE = ReceiveOrder("c", 1)


class Line:
    """A queue in memory; claims wait until they may run."""

    def __init__(self) -> None:
        self.messages: list[int] = []
        self.claims: list[list[int]] = []
        self.starts: list[ClaimStart] = []
        self.undone: list[int] = []
        self.may_claim = asyncio.Event()
        self.may_claim.set()
        self.fails: Exception | None = None

    async def claim(self, _: str, orders: Sequence[ReceiveOrder], start: ClaimStart) -> Claim:
        self.claims.append([order.limit for order in orders])
        self.starts.append(start)
        await self.may_claim.wait()
        if self.fails is not None:
            raise self.fails
        granted = []
        for order in orders:
            granted.append([_leased(number) for number in self.messages[: order.limit]])
            del self.messages[: order.limit]
        return Claim(granted, ClaimStart(head_id=len(self.claims)), None)

    def undo(self, _: str, receipts: Sequence[Receipt]) -> None:
        self.undone += [receipt.message_id for receipt in receipts]


def _leased(number: int) -> LeasedMessage:
    return LeasedMessage(number, str(number), Receipt(number, uuid.uuid4()), 1, NOW, NOW)


def ids(messages: Sequence[LeasedMessage]) -> list[int]:
    return [message.id for message in messages]


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def receivers(line: Line) -> Receivers:
    return Receivers("q", line.claim, line.undo)


async def test_a_receiver_cancelled_during_its_claim_gives_its_messages_back(line: Line, receivers: Receivers) -> None:
    line.messages = [1, 2, 3]
    line.may_claim.clear()
    leaving = asyncio.create_task(receivers.receive(ReceiveOrder("c", 2), 10))
    staying = asyncio.create_task(receivers.receive(ONE, 10))
    await eventually(lambda: line.claims == [[2, 1]])
    leaving.cancel()
    await asyncio.wait({leaving})
    line.may_claim.set()
    assert ids(await staying) == [3]
    assert line.undone == [1, 2]


async def test_a_receiver_cancelled_as_its_answer_comes_gives_its_messages_back(
    line: Line, receivers: Receivers
) -> None:
    line.messages = [1]
    line.may_claim.clear()
    leaving = asyncio.create_task(receivers.receive(ONE, 10))
    await eventually(lambda: len(line.claims) == 1)
    line.may_claim.set()
    while not line.undone:
        # Whichever step of the answer's way it is interrupted at, nothing may get lost.
        await asyncio.sleep(0)
        leaving.cancel()
    assert line.undone == [1]
    await asyncio.wait({leaving})
    assert leaving.cancelled()


async def test_a_receiver_cancelled_while_it_waits_is_served_no_more(line: Line, receivers: Receivers) -> None:
    leaving = asyncio.create_task(receivers.receive(ONE, 10))
    await eventually(lambda: len(line.claims) == 1)
    leaving.cancel()
    await asyncio.wait({leaving})
    await eventually(lambda: receivers.is_idle)
    line.messages = [1]
    assert ids(await receivers.receive(ONE, 0)) == [1]
    assert line.undone == []


async def test_receivers_that_come_during_a_claim_share_the_next(line: Line, receivers: Receivers) -> None:
    line.messages = [1, 2, 3, 4]
    line.may_claim.clear()
    first = asyncio.create_task(receivers.receive(ONE, 0))
    await eventually(lambda: line.claims == [[1]])
    others = [asyncio.create_task(receivers.receive(ReceiveOrder("c", limit), 0)) for limit in (2, 1, 1)]
    await asyncio.sleep(0)
    line.may_claim.set()
    assert [ids(messages) for messages in await asyncio.gather(first, *others)] == [[1], [2, 3], [4], []]
    assert line.claims == [[1], [2, 1, 1]]


async def test_a_claim_serves_no_more_than_a_thousand_messages(line: Line, receivers: Receivers) -> None:
    tasks = [asyncio.create_task(receivers.receive(ReceiveOrder("c", limit), 0)) for limit in (1000, 600, 400, 1)]
    line.messages = list(range(3000))
    await asyncio.gather(*tasks)
    assert line.claims == [[1000], [600, 400], [1]]


async def test_a_failed_claim_fails_those_it_was_for_and_the_next_succeeds(line: Line, receivers: Receivers) -> None:
    line.fails = ConnectionError()
    with pytest.raises(ConnectionError):
        await receivers.receive(ONE, 10)
    line.fails = None
    line.messages = [1]
    assert ids(await receivers.receive(ONE, 10)) == [1]


async def test_a_claim_starts_where_the_last_one_saw_the_head(line: Line, receivers: Receivers) -> None:
    for _ in range(3):
        await receivers.receive(ONE, 0)
    assert [start.head_id for start in line.starts] == [0, 1, 2]


async def test_who_does_not_wait_is_answered_though_one_with_a_large_order_waits(
    line: Line, receivers: Receivers
) -> None:
    large = asyncio.create_task(receivers.receive(ReceiveOrder("large", 1000), 20))
    await eventually(lambda: len(line.claims) == 1)
    async with asyncio.timeout(5):
        assert await receivers.receive(ONE, 0) == ()
    assert not large.done()
    # One claim for each that came; whoever waits on an empty queue does not ask again and again.
    assert len(line.claims) == 2
    line.messages = [1]
    receivers.wake()
    assert ids(await large) == [1]


async def test_deadlines_on_an_empty_queue_are_met_without_a_claim_each(line: Line, receivers: Receivers) -> None:
    orders = [ReceiveOrder("c", limit) for limit in (1000, 1, 999, 1)]
    waits = [20.0, *(0.2 + number * 0.02 for number in range(20)), 20.0, 20.0]
    waiting = [
        asyncio.create_task(receivers.receive(orders[number % 4], seconds)) for number, seconds in enumerate(waits)
    ]
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting[1:-2]) == [()] * 20
    assert [task.done() for task in (waiting[0], *waiting[-2:])] == [False] * 3
    assert len(line.claims) == 1
    await receivers.close()


async def test_one_behind_a_large_order_that_leaves_is_leased_nothing(line: Line, receivers: Receivers) -> None:
    large = asyncio.create_task(receivers.receive(ReceiveOrder("large", 1000), 20))
    line.may_claim.clear()
    leaving = asyncio.create_task(receivers.receive(ONE, 0))
    await eventually(lambda: len(line.claims) == 1)
    leaving.cancel()
    await asyncio.wait({leaving})
    line.messages = [1, 2]
    line.may_claim.set()
    assert ids(await large) == [1, 2]
    assert line.undone == []


async def test_a_failed_claim_fails_those_behind_its_orders_too(line: Line, receivers: Receivers) -> None:
    line.fails = ConnectionError()
    tasks = [asyncio.create_task(receivers.receive(ReceiveOrder("c", 1000), 10)) for _ in range(3)]
    assert [type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [ConnectionError] * 3
    assert line.claims == [[1000]]


async def test_close_answers_those_who_wait(line: Line, receivers: Receivers) -> None:
    waiting = asyncio.create_task(receivers.receive(ONE, 20))
    await eventually(lambda: len(line.claims) == 1)
    await receivers.close()
    assert await waiting == ()
    assert receivers.is_idle
