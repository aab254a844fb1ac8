"""One full turn of the dead-letter queue: each letter is taken, and copied to the tail or let go.

Reading a queue by getting and giving back shuffles it; a turn keeps its order. A letter is acknowledged only when its
copy is confirmed, so a crash loses none: at worst one is there twice, and the next turn drops the second.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from shared.amqp.connection import broker_errors, close_quietly, connect
from shared.amqp.queue_depths import depth_of
from shared.amqp.topology import DEAD_LETTERS_EXCHANGE, DEAD_LETTERS_QUEUE, MALFORMED_KEY, ROW_KEY, declare_topology
from shared.dead_letters.identity import Letter, MalformedLetter, letter_named

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

    from shared.amqp.publisher import Publisher
    from shared.service.settings import SharedSettings

PREFETCH_COUNT: Final = 500
BROKER_ANSWER_SECONDS: Final = 10
ROTATION_HEADER: Final = "rollcall-rotation"


ChooseKept = Callable[[Sequence[Letter]], Awaitable[set[Letter]]]


class Rotation:
    """Takes the letters that were in the queue when it was opened, no more.

    Their rows were committed before that; so whoever reads the tables afterwards sees what every one of them stands
    for.
    """

    def __init__(self, channel: AbstractChannel, queue: AbstractQueue, letters: int, publisher: Publisher) -> None:
        self._channel = channel
        self._queue = queue
        self._letters = letters
        self._publisher = publisher
        self._id = uuid.uuid4().hex
        self._inbox: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._seen = SeenLetters()

    async def run(self, choose_kept: ChooseKept) -> None:
        """Keep the letters chosen, and those that are not ours; once each. Raises `BrokerUnavailable`."""
        remaining = self._letters
        if remaining:
            with broker_errors("the rotation was cut off"):
                await self._queue.consume(self._inbox.put, timeout=BROKER_ANSWER_SECONDS)
        while remaining > 0:
            taken = await self._take(remaining)
            batch = [message for message in taken if message.headers.get(ROTATION_HEADER) != self._id]
            await self._settle(batch, choose_kept)
            if len(batch) < len(taken) or not taken:
                # Somebody else took letters away meanwhile, and we have come round to our own copies.
                return
            remaining -= len(taken)

    async def _take(self, most: int) -> list[AbstractIncomingMessage]:
        """All that has been delivered, at least one; none only when the queue is empty."""
        first = await self._next()
        taken = [] if first is None else [first]
        while taken and len(taken) < most and not self._inbox.empty():
            taken.append(self._inbox.get_nowait())
        return taken

    async def _next(self) -> AbstractIncomingMessage | None:
        with broker_errors("the rotation was cut off"):
            try:
                async with asyncio.timeout(BROKER_ANSWER_SECONDS):
                    return await self._inbox.get()
            except TimeoutError:
                async with asyncio.timeout(BROKER_ANSWER_SECONDS):
                    depth = await depth_of(self._channel, DEAD_LETTERS_QUEUE)
                if depth.messages:
                    raise
        return None

    async def _settle(self, batch: Sequence[AbstractIncomingMessage], choose_kept: ChooseKept) -> None:
        if not batch:
            return
        named = [letter_named(message.correlation_id or message.message_id or "") for message in batch]
        kept = await choose_kept([letter for letter in named if letter is not None])
        copies = [
            self._copy(message)
            for message, letter in zip(batch, named, strict=True)
            if letter is None or (letter in kept and self._seen.add(letter))
        ]
        outcomes = await asyncio.gather(*copies, return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        with broker_errors("the rotation was cut off"):
            await batch[-1].ack(multiple=True)

    async def _copy(self, message: AbstractIncomingMessage) -> None:
        await self._publisher.publish(
            DEAD_LETTERS_EXCHANGE,
            MALFORMED_KEY if message.routing_key == MALFORMED_KEY else ROW_KEY,
            message.body,
            # Its own again, which names it: no two with one id are in flight, since the second is dropped.
            message_id=message.correlation_id,
            correlation_id=message.correlation_id,
            headers={ROTATION_HEADER: self._id},
        )


class SeenLetters:
    """A bit a row, so that a million letters fit into some hundred kilobytes. At most one attempt of a row is kept."""

    def __init__(self) -> None:
        self._rows: dict[uuid.UUID, bytearray] = {}
        self._malformed: set[uuid.UUID] = set()

    def __contains__(self, letter: Letter) -> bool:
        if isinstance(letter, MalformedLetter):
            return letter.id in self._malformed
        bits = self._rows.get(letter.upload_id, b"")
        byte = letter.row_number >> 3
        return byte < len(bits) and bool(bits[byte] & 1 << (letter.row_number & 7))

    def add(self, letter: Letter) -> bool:
        """True for a letter that is new."""
        if isinstance(letter, MalformedLetter):
            is_new = letter.id not in self._malformed
            self._malformed.add(letter.id)
            return is_new
        bits = self._rows.setdefault(letter.upload_id, bytearray())
        byte, bit = letter.row_number >> 3, 1 << (letter.row_number & 7)
        if byte >= len(bits):
            bits.extend(bytes(byte + 1 - len(bits)))
        is_new = not bits[byte] & bit
        bits[byte] |= bit
        return is_new


@contextlib.asynccontextmanager
async def open_rotation(settings: SharedSettings, publisher: Publisher) -> AsyncIterator[Rotation]:
    """Raises `BrokerUnavailable`. What is left unsettled at the end goes back to where it was."""
    connection = await connect(settings, "api_service rotation")
    try:
        with broker_errors("the rotation was cut off"):
            async with asyncio.timeout(BROKER_ANSWER_SECONDS):
                channel = await connection.channel(publisher_confirms=False)
                await declare_topology(channel, settings)
                await channel.set_qos(prefetch_count=PREFETCH_COUNT)
                queue = await channel.get_queue(DEAD_LETTERS_QUEUE, ensure=False)
                letters = (await depth_of(channel, DEAD_LETTERS_QUEUE)).messages
        yield Rotation(channel, queue, letters, publisher)
    finally:
        await close_quietly(connection)
