"""Whatever is done to a queue in whatever order, it does what a simple model of it does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from api_service.lease_queues import (
    message_queries,
    queue_queries,
    send_queries,
    single_message_queries,
    upkeep_queries,
)
from api_service.lease_queues.lease_queues import PLANNER_SETTINGS
from api_service.lease_queues.message_queries import ClaimStart
from api_service.lease_queues.messages import LeaseChange, NewMessage, Receipt, ReceiveOrder
from api_service.lease_queues.queue_queries import MessageState
from api_service.lease_queues.upkeep_queries import Cursor

# No sum of steps comes within twenty seconds of a timeout or delay, so that the seconds which the test itself takes
# change nothing.
TIMEOUTS = (100, 1000)
DELAYS = (0, 50, 500)
STEPS = (60, 600)
GROUPS = st.sampled_from((None, "a", "a", "b"))
PRIORITIES = st.sampled_from((0, 0, 3, 9))
DEDUPLICATION_IDS = st.sampled_from((None, None, "x", "y"))

_MESSAGES_BACK = text("""
    UPDATE queue_messages SET visible_at = visible_at - make_interval(secs => :seconds),
        lease_expires_at = lease_expires_at - make_interval(secs => :seconds),
        enqueued_at = enqueued_at - make_interval(secs => :seconds)
    WHERE queue_id = (SELECT id FROM queues WHERE name = :queue)
""")
_DEDUPLICATIONS_BACK = text("""
    UPDATE queue_deduplications SET expires_at = expires_at - make_interval(secs => :seconds)
    WHERE queue_id = (SELECT id FROM queues WHERE name = :queue)
""")

Result = TypeVar("Result")


@dataclass
class ModelMessage:
    id: int
    payload: int
    hidden_until: float = 0
    lease_end: float | None = None
    receipt: Receipt | None = None
    receives: int = 0
    is_last: bool = False
    group: str | None = None
    priority: int = 0
    sent_at: float = 0

    def state(self, now: float) -> str:
        if self.lease_end is not None and self.lease_end > now:
            return "inFlight"
        if self.is_last:
            return "dead"
        return "delayed" if self.hidden_until > now else "visible"


class LeaseModel(RuleBasedStateMachine):
    """One queue of the real database beside a list of messages and a clock of its own."""

    engine: AsyncEngine
    runner: asyncio.Runner
    queues_made = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).queues_made += 1
        self.queue = f"q{self.queues_made}"
        self.now = 0.0
        self.sent = 0
        self.max_receives = 10
        self.messages: list[ModelMessage] = []
        self.receipts: list[Receipt] = []
        self.is_paused = False
        # Of each group the message whose turn it is, as long as that is in the queue and lives.
        self.turns: dict[str, int] = {}
        # The id that each deduplication id was answered with, and until when.
        self.remembered: dict[str, tuple[int, float]] = {}
        self.start = ClaimStart()
        self.run(self._on_connection(send_queries.open_queue, self.queue))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    async def _on_connection(self, query: Any, *arguments: Any, **named: Any) -> Any:
        async with self.engine.connect() as connection:
            return await query(connection, *arguments, **named)

    def ask(self, query: Any, *arguments: Any, **named: Any) -> Any:
        return self.run(self._on_connection(query, *arguments, **named))

    def held(self, receipt: Receipt) -> ModelMessage | None:
        """The message whose present lease has this receipt."""
        return next((m for m in self.messages if m.receipt == receipt and m.state(self.now) == "inFlight"), None)

    def state(self, message: ModelMessage) -> str:
        state = message.state(self.now)
        if message.group is None or state == "dead":
            return state
        return state if self.turn(message.group) == message.id else "blocked"

    def turn(self, group: str) -> int | None:
        alive = [m.id for m in self.messages if m.group == group and m.state(self.now) != "dead"]
        if self.turns.get(group) not in alive:
            self.turns[group] = min(alive, default=0)
        return self.turns[group]

    @rule(count=st.integers(1, 4), delay=st.sampled_from(DELAYS))
    def send(self, count: int, delay: int) -> None:
        numbers = range(self.sent, self.sent + count)
        messages = [NewMessage(str(n).encode(), len(str(n)), delay) for n in numbers]
        ids = self.ask(send_queries.send, self.queue, messages)
        assert ids == sorted(ids)
        assert not self.messages or ids[0] > max(message.id for message in self.messages)
        self.sent += count
        hidden_until = self.now + delay if delay else 0
        new = [ModelMessage(i, n, hidden_until, sent_at=self.now) for i, n in zip(ids, numbers, strict=True)]
        self.messages += new

    @rule(options=st.lists(st.tuples(GROUPS, PRIORITIES, DEDUPLICATION_IDS), min_size=1, max_size=5))
    def send_with_options(self, options: list[tuple[str | None, int, str | None]]) -> None:
        numbers = range(self.sent, self.sent + len(options))
        self.sent += len(options)
        messages = [
            NewMessage(str(n).encode(), len(str(n)), group_id=group, priority=priority, deduplication_id=key)
            for n, (group, priority, key) in zip(numbers, options, strict=True)
        ]
        last = max((message.id for message in self.messages), default=0)
        ids = self.run(self._send(messages))
        for message_id, number, (group, priority, key) in zip(ids, numbers, options, strict=True):
            known, until = self.remembered.get(key or "", (0, 0))
            if key is not None and until > self.now:
                assert message_id == known
                continue
            assert message_id > last
            last = message_id
            if key is not None:
                self.remembered[key] = (message_id, self.now + 300)
            for each in self.turns:
                self.turn(each)
            new = ModelMessage(message_id, number, group=group, priority=priority, sent_at=self.now)
            self.messages.append(new)

    async def _send(self, messages: list[NewMessage]) -> Any:
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level="READ COMMITTED")
            async with connection.begin():
                return await send_queries.send_with_options(connection, self.queue, messages)

    @rule(is_paused=st.booleans())
    def pause(self, is_paused: bool) -> None:
        self.is_paused = is_paused
        self.ask(queue_queries.change, self.queue, {"paused": is_paused})

    @rule(age=st.sampled_from((100, 1000)))
    def drop_what_is_older(self, age: int) -> None:
        queue_id = self.ask(queue_queries.queue_id, self.queue)
        extent = self.ask(upkeep_queries.extent, queue_id)
        self.ask(queue_queries.change, self.queue, {"retention_seconds": age})
        dropped = self.ask(upkeep_queries.take_step, upkeep_queries.EXPIRY, queue_id, Cursor(), extent).changed
        self.ask(queue_queries.change, self.queue, {"retention_seconds": None})
        old = [m for m in self.messages if self.now - m.sent_at > age and m.state(self.now) != "inFlight"]
        assert dropped == len(old)
        self.messages = [message for message in self.messages if message not in old]

    @rule(limits=st.lists(st.integers(1, 4), min_size=1, max_size=3), timeout=st.sampled_from(TIMEOUTS))
    def claim(self, limits: list[int], timeout: int) -> None:
        orders = [ReceiveOrder(f"c{number}", limit, timeout) for number, limit in enumerate(limits)]
        claim = self.ask(message_queries.claim, self.queue, orders, self.start)
        self.start = claim.next_start
        visible = [message for message in self.messages if self.state(message) == "visible"]
        visible = [] if self.is_paused else sorted(visible, key=lambda message: (-message.priority, message.id))
        for limit, got in zip(limits, claim.messages, strict=True):
            expected, visible = visible[:limit], visible[limit:]
            assert [(m.id, json.loads(m.payload)) for m in got] == [(m.id, m.payload) for m in expected]
            for message, leased in zip(expected, got, strict=True):
                message.receives += 1
                message.is_last = message.receives >= self.max_receives
                message.receipt = leased.receipt
                message.hidden_until = message.lease_end = self.now + timeout
                assert leased.receive_count == message.receives
                assert leased.receipt not in self.receipts
                self.receipts.append(leased.receipt)

    @precondition(lambda self: self.receipts)
    @rule(choice=st.lists(st.integers(0, 200), min_size=1, max_size=4))
    def acknowledge(self, choice: list[int]) -> None:
        receipts = [self.receipts[number % len(self.receipts)] for number in choice]
        expected = []
        for receipt in receipts:
            message = self.held(receipt)
            expected.append(message is not None)
            if message is not None:
                self.messages.remove(message)
        assert list(self.ask(message_queries.acknowledge, self.queue, receipts)) == expected

    @precondition(lambda self: self.receipts)
    @rule(choice=st.integers(0, 200), seconds=st.sampled_from((0, *TIMEOUTS)))
    def extend(self, choice: int, seconds: int) -> None:
        receipt = self.receipts[choice % len(self.receipts)]
        message = self.held(receipt)
        extended = self.ask(message_queries.extend, self.queue, [LeaseChange(receipt, seconds)])
        assert list(extended) == ([] if message is None else [receipt])
        if message is not None:
            message.hidden_until = message.lease_end = self.now + seconds

    @precondition(lambda self: self.receipts)
    @rule(choice=st.integers(0, 200))
    def undo(self, choice: int) -> None:
        message = self.held(receipt := self.receipts[choice % len(self.receipts)])
        if message is not None:
            self.ask(message_queries.undo_claim, self.queue, [receipt])
            message.receives -= 1
            message.is_last, message.hidden_until, message.lease_end, message.receipt = False, 0, None, None

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: int) -> None:
        """The database's clock cannot be turned on, but every time that it is compared with can be turned back."""
        self.run(self._on_connection(_turn_back, {"seconds": seconds, "queue": self.queue}))
        if self.start.hidden_from is not None:
            self.start = self.start._replace(hidden_from=self.start.hidden_from - timedelta(seconds=seconds))
        self.now += seconds

    @rule()
    def forget_where_the_line_begins(self) -> None:
        self.start = ClaimStart()

    @rule(max_receives=st.integers(1, 3))
    def configure(self, max_receives: int) -> None:
        self.max_receives = max_receives
        changed = {"max_receives": max_receives, "visibility_timeout_seconds": 30}
        self.ask(queue_queries.configure, self.queue, changed)

    @precondition(lambda self: self.messages)
    @rule(choice=st.integers(0, 200))
    def cancel(self, choice: int) -> None:
        message = self.messages[choice % len(self.messages)]
        queue_id = self.ask(queue_queries.queue_id, self.queue)
        is_free = self.state(message) != "inFlight"
        assert self.ask(single_message_queries.cancel, queue_id, message.id) == is_free
        if is_free:
            self.messages.remove(message)

    @rule()
    def redrive(self) -> None:
        dead = [message for message in self.messages if message.state(self.now) == "dead"]
        turns = {group: self.turn(group) for group in self.turns}
        queue_id = self.ask(queue_queries.queue_id, self.queue)
        extent = self.ask(upkeep_queries.extent, queue_id)
        (redrive,) = upkeep_queries.REDRIVES
        assert self.ask(upkeep_queries.take_step, redrive, queue_id, Cursor(), extent).changed == len(dead)
        for message in dead:
            message.is_last, message.receives, message.receipt, message.lease_end = False, 0, None, None
            message.hidden_until = 0
        for group, turn in turns.items():
            at_turn = next((message for message in self.messages if message.id == turn), None)
            if at_turn is not None and at_turn.state(self.now) != "inFlight":
                self.turns[group] = min(turn or 0, *(m.id for m in dead if m.group == group), turn or 0)

    @rule(state=st.sampled_from(("visible", "inFlight", "delayed", "blocked", "dead")))
    def purge(self, state: MessageState) -> None:
        queue_id = self.ask(queue_queries.queue_id, self.queue)
        extent = self.ask(upkeep_queries.extent, queue_id)
        steps = upkeep_queries.PURGES[state]
        purged = sum(self.ask(upkeep_queries.take_step, each, queue_id, Cursor(), extent).changed for each in steps)
        gone = [message for message in self.messages if self.state(message) == state]
        assert purged == len(gone)
        self.messages = [message for message in self.messages if message not in gone]

    @invariant()
    def the_listing_shows_every_message_in_its_state(self) -> None:
        queue_id = self.ask(queue_queries.queue_id, self.queue)
        listed = self.ask(queue_queries.list_messages, queue_id, None, after=0, offset=0, limit=10_000).rows
        expected = [(m.id, self.state(m), m.receives) for m in self.messages]
        assert [(row.id, row.state, row.receive_count) for row in listed] == expected
        found = self.ask(queue_queries.queue_with_counts, self.queue)
        states = [state for _, state, _ in expected]
        counted = {"visible": found.visible, "inFlight": found.in_flight, "delayed": found.delayed}
        counted |= {"blocked": found.blocked, "dead": found.dead}
        assert counted == {state: states.count(state) for state in counted}


async def _turn_back(connection: Any, parameters: dict[str, Any]) -> None:
    # All times move together, so nothing happens that a trigger would have to know of.
    await connection.execute(text("SET session_replication_role = replica"))
    await connection.execute(_MESSAGES_BACK, parameters)
    await connection.execute(_DEDUPLICATIONS_BACK, parameters)
    await connection.execute(text("SET session_replication_role = origin"))


@pytest.fixture
def machine(database_url: str) -> Iterator[type[LeaseModel]]:
    engine = create_async_engine(
        database_url.replace("postgresql://", "postgresql+asyncpg://", 1),
        isolation_level="AUTOCOMMIT",
        connect_args={"server_settings": PLANNER_SETTINGS},
    )
    with asyncio.Runner() as runner:
        yield type("LeaseModelOnDatabase", (LeaseModel,), {"engine": engine, "runner": runner})
        runner.run(engine.dispose())


def _check(machine: type[LeaseModel], examples: int, steps: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_leases_do_what_the_model_does(machine: type[LeaseModel]) -> None:
    _check(machine, examples=25, steps=30)


@pytest.mark.long
def test_leases_do_what_the_model_does_a_thousand_times(machine: type[LeaseModel]) -> None:
    _check(machine, examples=1000, steps=50)
