"""Lease queues through the client, held to a running API: what was received is acknowledged, extended or given back."""

from __future__ import annotations

import asyncio

import pytest

import rollcall
from tests.support.patience import patience
from tests.support.push_receiver import SECRET
from tests.support.waiting import eventually


async def counts(queue: rollcall.AsyncQueue) -> tuple[int, int]:
    stats = await queue.stats()
    return stats.visible, stats.in_flight


async def test_message_goes_through_every_hand(rc: rollcall.AsyncClient) -> None:
    queue = rc.queue("emails")
    first = await queue.send({"to": "asha"})
    assert await queue.send_many(["second", None], delay_seconds=0) == [first + 1, first + 2]
    assert [each.payload async for each in queue.peek(state="visible")] == [{"to": "asha"}, "second", None]

    one, two = await queue.receive(2, visibility_timeout_seconds=60)
    assert (one.id, one.payload, one.receive_count) == (first, {"to": "asha"}, 1)
    extended = await queue.extend(one, 600)
    assert extended.lease_expires_at > one.lease_expires_at
    await queue.acknowledge(one)
    with pytest.raises(rollcall.LeaseLost):
        await queue.acknowledge(one)
    await queue.give_back(two)
    assert [each.outcome for each in await queue.acknowledge_many([one, "no receipt"])] == [
        "lease_lost",
        "invalid_receipt",
    ]

    assert (await queue.configure(max_receives=2)).max_receives == 2
    (again,) = await queue.receive()
    assert (again.id, again.receive_count) == (first + 1, 2)
    await queue.give_back(again)
    assert (await queue.stats()).dead == 1
    assert (await queue.redrive()).redriven == 1
    assert (await queue.purge(state="visible")).removed == 2
    assert [each.name async for each in rc.queues()] == ["emails"]
    with pytest.raises(rollcall.UnknownQueue):
        await rc.queue("never-made").stats()


async def test_subscription_is_set_told_and_removed(rc: rollcall.AsyncClient) -> None:
    queue = rc.queue("emails")
    with pytest.raises(rollcall.UnknownQueue):
        await queue.subscribe("https://mailer.invalid/hook", SECRET)
    await queue.configure()
    with pytest.raises(rollcall.InvalidRequest):
        await queue.subscribe("https://10.0.0.1/hook", SECRET)
    made = await queue.subscribe("https://mailer.invalid/hook", SECRET)
    assert (made.url, made.state, made.delivered, made.last_status) == (
        "https://mailer.invalid/hook",
        "active",
        0,
        None,
    )
    assert await queue.subscription() == made
    await queue.unsubscribe()
    with pytest.raises(rollcall.UnknownSubscription):
        await queue.subscription()


async def test_loop_acknowledges_what_was_done_and_gives_back_what_was_not(rc: rollcall.AsyncClient) -> None:
    queue = rc.queue("emails")
    await queue.send_many(list(range(5)))
    seen: list[int] = []

    async def work_until_it_fails() -> None:
        async for message in queue.consume(concurrency=3):
            seen.append(message.payload)
            if message.payload == 3:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work_until_it_fails()
    # What Python has not closed by itself yet the queue does.
    await queue.aclose()
    assert seen == [0, 1, 2, 3]
    assert [each.payload async for each in queue.peek(state="visible")] == [3, 4]

    rest = [message.payload async for message in queue.consume(stop_when_empty=True)]
    assert (rest, await counts(queue)) == ([3, 4], (0, 0))


async def test_lease_is_extended_for_as_long_as_the_work_takes(rc: rollcall.AsyncClient) -> None:
    queue = rc.queue("emails")
    await queue.send("slow")
    async for message in queue.consume(lease_seconds=3, concurrency=1):
        # Until the lease that it was received with is long over.
        async def was_extended(message: rollcall.ReceivedMessage = message) -> bool:
            (held,) = [each async for each in queue.peek(state="inFlight")]
            assert held.lease_expires_at is not None
            return (held.lease_expires_at - message.lease_expires_at).total_seconds() > 3

        await eventually(was_extended)
        assert message.receive_count == 1
        break
    await queue.aclose()
    assert await counts(queue) == (1, 0)


async def test_several_are_worked_on_at_once_and_a_failure_is_tried_again(
    rc: rollcall.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    queue = rc.queue("emails")
    await queue.send_many(["a", "b", "c", "fails"])
    together = asyncio.Barrier(3)
    done: list[str] = []

    async def work(message: rollcall.ReceivedMessage) -> None:
        if message.payload == "fails" and message.receive_count == 1:
            raise ValueError("quotes somebody")
        if message.payload in ("a", "b", "c"):
            await together.wait()
        done.append(message.payload)

    async with asyncio.timeout(20 * patience()):
        await queue.work(work, concurrency=3, stop_when_empty=True)
    assert sorted(done) == ["a", "b", "c", "fails"]
    assert await counts(queue) == (0, 0)
    # P8: the message's own text stays out of the log.
    assert "ValueError" in caplog.text
    assert "quotes somebody" not in caplog.text


async def test_threads_work_through_a_queue_as_tasks_do(api_url: str) -> None:
    def work_through() -> tuple[list[int], list[int], tuple[int, int]]:
        with rollcall.Client(api_url) as rc:
            queue = rc.queue("numbers")
            queue.send_many(list(range(6)))
            first = []
            for message in queue.consume(concurrency=2):
                first.append(message.payload)
                if message.payload == 1:
                    break
            queue.close()
            rest: list[int] = []
            queue.work(lambda message: rest.append(message.payload), concurrency=3, stop_when_empty=True)
            stats = queue.stats()
            return first, sorted(rest), (stats.visible, stats.in_flight)

    # The message at which the loop was left was not done.
    assert await asyncio.to_thread(work_through) == ([0, 1], [1, 2, 3, 4, 5], (0, 0))


async def test_worker_that_is_cancelled_gives_back_what_it_holds(rc: rollcall.AsyncClient) -> None:
    queue = rc.queue("emails")
    await queue.send_many(["a", "b"])
    holds = asyncio.Event()

    async def never_ends(_: rollcall.ReceivedMessage) -> None:
        holds.set()
        await asyncio.Event().wait()

    working = asyncio.create_task(queue.work(never_ends, concurrency=2))
    await holds.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await counts(queue) == (2, 0)


async def test_older_clients_share_the_queue(api_url: str) -> None:
    async with rollcall.AsyncProducer(url=api_url) as producer, rollcall.AsyncConsumer(url=api_url) as consumer:
        assert await consumer.get_next_message() is None
        message_id = await producer.add_new_message("yada yada yada")
        message = await consumer.get_next_message()
        assert message is not None
        assert (message.id, message.payload) == (message_id, "yada yada yada")
        await consumer.notify_processed(message.id)
        with pytest.raises(rollcall.LeaseLost):
            await consumer.notify_processed(message.id)

        published = await producer.publish({"n": 1})
        (consumed,) = await consumer.consume(7, limit=5)
        assert consumed.id == published
        assert await consumer.delete(8, published) is False
        assert await consumer.delete(7, published) is True


async def test_payload_that_is_too_large_is_refused_by_its_name(rc: rollcall.AsyncClient) -> None:
    with pytest.raises(rollcall.TooLarge, match="262144") as refused:
        await rc.queue("emails").send("x" * 300_000)
    assert isinstance(refused.value, rollcall.Refused)
