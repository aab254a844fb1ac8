# Made from rollcall/_async/queue.py by `python -m tools.sync_client`: change that.
"""A lease queue: send, receive, acknowledge, look into it, and take it to work."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from rollcall._sync.calls_base import Calls
from rollcall._sync.reading import Pages
from rollcall._sync.transport import Transport, path_of
from rollcall.calls import calls
from rollcall.consuming.threaded import Consumption, Handler
from rollcall.models import (
    AcknowledgeOutcome,
    ExtendedLease,
    ExtendOutcome,
    LeaseChangeOutcome,
    Listing,
    NewMessage,
    PurgedMessages,
    QueuedMessage,
    QueueState,
    ReceiptOutcome,
    ReceivedMessage,
    ReceivedMessages,
    RedrivenMessages,
    RedriveTask,
    SentMessages,
    Subscription,
)

Answer = TypeVar("Answer")
# Or a message in hand.
Receipt = str | ReceivedMessage


class Queue(Calls):
    """One lease queue. A message that was received is leased: nobody else gets it before the lease runs out."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport = transport
        self._consumptions: list[Consumption] = []
        self.name = name

    @calls("sendMessages")
    def send(
        self,
        payload: Any,
        *,
        delay_seconds: int = 0,
        deliver_at: datetime | None = None,
        group_id: str | None = None,
        priority: int = 0,
        headers: Mapping[str, str] | None = None,
        deduplication_id: str | None = None,
    ) -> int:
        """Its id, once it is durable. The payload is anything that JSON has.

        With a `deduplication_id` it is sent once, however often this is repeated; without one the client makes it, so
        that it is safe to send it again when the answer is lost.
        """
        message = NewMessage(
            payload, delay_seconds or None, deliver_at, group_id, priority or None, headers, deduplication_id
        )
        return (self.send_many([message]))[0]

    @calls("sendMessages")
    def send_many(self, payloads: Sequence[Any], *, delay_seconds: int = 0) -> list[int]:
        """Up to 1,000 at once, all or none. Instead of its payload alone each may be a `NewMessage`."""
        messages = [
            each if isinstance(each, NewMessage) else NewMessage(each, delay_seconds or None) for each in payloads
        ]
        once = [
            each if each.deduplication_id else msgspec.structs.replace(each, deduplication_id=str(uuid.uuid4()))
            for each in messages
        ]
        sent = self._call("POST", "messages", into=SentMessages, json={"messages": once}, is_safe=True)
        return sent.ids

    @calls("receiveMessages")
    def receive(
        self,
        limit: int = 1,
        *,
        wait_seconds: int = 0,
        visibility_timeout_seconds: int | None = None,
        consumer_id: str | None = None,
    ) -> list[ReceivedMessage]:
        """Lease up to `limit` messages, first in first out; where there are none, wait for one so long (at most 20 s).

        The lease lasts `visibility_timeout_seconds`, or what the queue says.
        """
        order: dict[str, Any] = {"consumerId": consumer_id or f"client-{uuid.uuid4()}", "limit": limit}
        order["waitSeconds"] = wait_seconds
        if visibility_timeout_seconds is not None:
            order["visibilityTimeoutSeconds"] = visibility_timeout_seconds
        answer = self._call("POST", "receive", into=ReceivedMessages, json=order, wait_seconds=wait_seconds)
        return answer.messages

    @calls("acknowledgeMessage")
    def acknowledge(self, receipt: Receipt) -> None:
        """It is done, and goes. Raises LeaseLost."""
        self._call("DELETE", "messages", _receipt(receipt), into=type(None))

    @calls("acknowledgeMessages")
    def acknowledge_many(self, receipts: Sequence[Receipt]) -> list[ReceiptOutcome]:
        """Each with its own outcome."""
        json = {"receipts": [_receipt(each) for each in receipts]}
        return (self._call("POST", "acknowledge", into=AcknowledgeOutcome, json=json)).outcomes

    @calls("changeLease")
    def extend(self, receipt: Receipt, seconds: int) -> ExtendedLease:
        """The lease lasts so long from now on. Raises LeaseLost."""
        json = {"visibilityTimeoutSeconds": seconds}
        return self._call("PATCH", "messages", _receipt(receipt), into=ExtendedLease, json=json)

    @calls("changeLeases")
    def extend_many(self, entries: Sequence[tuple[Receipt, int]]) -> list[LeaseChangeOutcome]:
        """Leases with their seconds from now on, 0 gives back: each with its own outcome."""
        changes = [{"receipt": _receipt(each), "visibilityTimeoutSeconds": seconds} for each, seconds in entries]
        return (self._call("POST", "extend", into=ExtendOutcome, json={"entries": changes})).outcomes

    @calls("getMessage")
    def message(self, message_id: int) -> QueuedMessage:
        """Look at one without leasing it. Raises UnknownMessage."""
        return self._call("GET", "messages", "by-id", str(message_id), into=QueuedMessage)

    @calls("cancelMessage")
    def cancel(self, message_id: int) -> None:
        """It goes, unless somebody works on it. Raises UnknownMessage and MessageLeased."""
        self._call("DELETE", "messages", "by-id", str(message_id), into=type(None))

    def give_back(self, receipt: Receipt) -> None:
        """Somebody else gets it at once. Raises LeaseLost."""
        self.extend(receipt, 0)

    @calls("listMessages")
    def peek(self, *, state: str | None = None) -> Pages[QueuedMessage]:
        """Look without leasing; `state` is visible, inFlight, delayed, blocked or dead."""
        return self._pages(path_of("queues", self.name, "messages"), Listing[QueuedMessage], state=state)

    @calls("purgeMessages")
    def purge(self, *, state: str | None = None) -> PurgedMessages:
        """Delete its messages, or those in one state. `complete` is False when others are left: ask again."""
        return self._call("DELETE", "messages", into=PurgedMessages, params={"state": state})

    @calls("redriveMessages")
    def redrive(self, *, ids: Sequence[int] | None = None, to: str | None = None) -> RedrivenMessages:
        """Dead messages, all or these, can be received again, here or in another queue.

        `complete` is False when others are left: ask again.
        """
        given = {"ids": None if ids is None else list(ids), "to": to}
        json = {name: value for name, value in given.items() if value is not None}
        return self._call("POST", "redrive", into=RedrivenMessages, json=json)

    @calls("redriveMessages")
    def redrive_slowly(self, rate: int, *, to: str | None = None) -> RedriveTask:
        """So many messages a second of those that are dead now."""
        json = {"rate": rate} if to is None else {"rate": rate, "to": to}
        return self._call("POST", "redrive", into=RedriveTask, json=json)

    @calls("getRedrive")
    def redrive_task(self, job_id: str) -> RedriveTask:
        """How far a slow redrive is. Raises UnknownJob."""
        return self._call("GET", "redrives", job_id, into=RedriveTask)

    @calls("cancelRedrive")
    def cancel_redrive(self, job_id: str) -> RedriveTask:
        """What is not back stays dead. Raises UnknownJob."""
        return self._call("DELETE", "redrives", job_id, into=RedriveTask)

    @calls("getQueue")
    def stats(self) -> QueueState:
        """How many messages are in each state, and the settings. Raises UnknownQueue before the first message."""
        return self._call("GET", into=QueueState)

    @calls("configureQueue")
    def configure(
        self,
        *,
        max_receives: int = 10,
        visibility_timeout_seconds: int = 30,
        deduplication_seconds: int = 300,
        retention_seconds: int | None = None,
        dead_letter_queue: str | None = None,
    ) -> QueueState:
        """Set all of them: what is left out goes back to this default."""
        json = {
            "maxReceives": max_receives,
            "visibilityTimeoutSeconds": visibility_timeout_seconds,
            "deduplicationSeconds": deduplication_seconds,
            "retentionSeconds": retention_seconds,
            "deadLetterQueue": dead_letter_queue,
        }
        return self._call("PUT", into=QueueState, json=json)

    @calls("changeQueue")
    def change(
        self,
        *,
        max_receives: int | UnsetType = UNSET,
        visibility_timeout_seconds: int | UnsetType = UNSET,
        deduplication_seconds: int | UnsetType = UNSET,
        retention_seconds: int | UnsetType | None = UNSET,
        dead_letter_queue: str | UnsetType | None = UNSET,
        paused: bool | UnsetType = UNSET,
    ) -> QueueState:
        """What is left out stays. Raises UnknownQueue."""
        given = {
            "maxReceives": max_receives,
            "visibilityTimeoutSeconds": visibility_timeout_seconds,
            "deduplicationSeconds": deduplication_seconds,
            "retentionSeconds": retention_seconds,
            "deadLetterQueue": dead_letter_queue,
            "paused": paused,
        }
        json = {name: value for name, value in given.items() if value is not UNSET}
        return self._call("PATCH", into=QueueState, json=json)

    @calls("deleteQueue")
    def delete(self, *, if_empty: bool = False) -> PurgedMessages:
        """The queue goes with its messages, or only without any. Raises UnknownQueue and QueueNotEmpty."""
        return self._call("DELETE", into=PurgedMessages, params={"ifEmpty": "true" if if_empty else None})

    @calls("subscribe")
    def subscribe(self, url: str, secret: str) -> Subscription:
        """Push its messages to that URL, signed with the secret: `whsec_` and 24 to 64 random bytes in base64.

        It replaces what was set before. Raises UnknownQueue and TooManySubscriptions.
        """
        json = {"url": url, "secret": secret}
        return self._call("PUT", "subscription", into=Subscription, json=json)

    @calls("getSubscription")
    def subscription(self) -> Subscription:
        """Where its messages are pushed to, and how that goes. Raises UnknownSubscription."""
        return self._call("GET", "subscription", into=Subscription)

    @calls("unsubscribe")
    def unsubscribe(self) -> None:
        """Push no more of its messages; they stay. Raises UnknownSubscription."""
        self._call("DELETE", "subscription", into=type(None))

    def consume(
        self, *, concurrency: int = 1, lease_seconds: int = 30, wait_seconds: int = 20, stop_when_empty: bool = False
    ) -> Iterator[ReceivedMessage]:
        """Messages to work on, for ever: `for message in queue.consume(): work(message.payload)`.

        Up to `concurrency` are leased at once, and kept leased while they wait and are worked on. A message is
        acknowledged when the next one is asked for; when the loop is left by an exception or a `break`, it is given
        back, at the latest when the client is closed. `work` has several worked on at once.
        """
        return self._consumption(concurrency, lease_seconds, wait_seconds, stop_when_empty).messages()

    def work(
        self,
        handler: Handler,
        *,
        concurrency: int = 1,
        lease_seconds: int = 30,
        wait_seconds: int = 20,
        stop_when_empty: bool = False,
    ) -> None:
        """Call `handler` with each message, with so many at once. It returns: acknowledged; it raises: given back, and
        the exception is logged without the message."""
        self._consumption(concurrency, lease_seconds, wait_seconds, stop_when_empty).work(handler)

    @property
    def reconnect_seconds(self) -> float:
        return self._transport.connection.reconnect_seconds

    def forget(self, consumption: Consumption) -> None:
        if consumption in self._consumptions:
            self._consumptions.remove(consumption)

    def close(self) -> None:
        """Give back what its consumers hold."""
        for consumption in list(self._consumptions):
            consumption.close()

    def _consumption(self, concurrency: int, lease: int, wait: int, stop_when_empty: bool) -> Consumption:
        consumption = Consumption(
            self, concurrency=concurrency, lease_seconds=lease, wait_seconds=wait, stop_when_empty=stop_when_empty
        )
        self._consumptions.append(consumption)
        return consumption

    def _call(self, method: str, *parts: str, into: type[Answer], **more: Any) -> Answer:
        return self._transport.call(method, path_of("queues", self.name, *parts), into, **more)


def _receipt(receipt: Receipt) -> str:
    return receipt.receipt if isinstance(receipt, ReceivedMessage) else receipt
