"""Dead letters as the consumer leaves them: a row in the table, and its letter in the queue."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg

from api_service.dead_letters import queue_acquaintance
from shared.amqp.publisher import Publisher
from shared.amqp.topology import DEAD_LETTERS_EXCHANGE, DEAD_LETTERS_QUEUE, MALFORMED_KEY, ROW_KEY
from shared.dead_letters.identity import Letter, MalformedLetter, RowLetter, letter_id
from shared.messages import DeadLetterMessage, encode
from shared.service.settings import SharedSettings
from tests.support.broker import Broker
from tests.support.waiting import eventually

CELLS = ["Asha Rao", "Initech", "9876543210", "asha at example.com"]
MESSAGE = "email must look like name@example.com."
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class DeadLetters:
    """Each letter that is put here is a second younger than the one before."""

    def __init__(self, database: asyncpg.Connection, broker: Broker, publisher: Publisher) -> None:
        self._database = database
        self._broker = broker
        self._publisher = publisher
        self._dead_at = LONG_AGO

    async def add_rows(
        self, upload_id: uuid.UUID, row_numbers: Sequence[int], *, code: str = "invalid_email", attempt: int = 1
    ) -> list[str]:
        """Rejected rows with their letters; the letters' ids."""
        records = []
        for number in row_numbers:
            self._dead_at += timedelta(seconds=1)
            records.append((upload_id, number, number + 1, code, json.dumps(CELLS), attempt, self._dead_at))
        await self._database.executemany(
            "INSERT INTO rejected_rows (upload_id, row_number, line_number, code, field, message, cells, attempt,"
            f" dead_at) VALUES ($1, $2, $3, $4, 'email', '{MESSAGE}', $5, $6, $7)",
            records,
        )
        return await asyncio.gather(
            *(self.publish_row(upload_id, number, code=code, attempt=attempt) for number in row_numbers)
        )

    async def publish_row(
        self, upload_id: uuid.UUID, row_number: int, *, code: str = "invalid_email", attempt: int = 1
    ) -> str:
        """The letter alone; its id."""
        letter = DeadLetterMessage(
            upload_id=upload_id,
            row_number=row_number,
            line_number=row_number + 1,
            attempt=attempt,
            code=code,
            field="email",
            message=MESSAGE,
            cells=CELLS,
        )
        return await self._publish(ROW_KEY, encode(letter), RowLetter(upload_id, row_number, attempt))

    async def add_malformed(self) -> str:
        """A message that was no request, with its letter; the letter's id."""
        self._dead_at += timedelta(seconds=1)
        malformed_id = uuid.uuid4()
        await self._database.execute(
            "INSERT INTO malformed_messages (id, reason, body, dead_at) VALUES ($1, 'not a request', 'hello', $2)",
            malformed_id,
            self._dead_at,
        )
        return await self._publish(MALFORMED_KEY, b"hello", MalformedLetter(malformed_id))

    async def _publish(self, key: str, body: bytes, letter: Letter) -> str:
        identity = letter_id(letter)
        await self._publisher.publish(DEAD_LETTERS_EXCHANGE, key, body, message_id=identity, correlation_id=identity)
        return identity

    async def take(self, count: int) -> list[str]:
        """Empty the queue once so many letters are in it; their ids, sorted.

        Their order in the queue means nothing: whoever looks through it turns it, an API at its start for one.
        """
        return sorted(str(message.correlation_id) for message in await self._broker.take(DEAD_LETTERS_QUEUE, count))


async def until_acquainted(settings: SharedSettings, database: asyncpg.Connection) -> None:
    """An API that has just started turns the queue at its first look. From now on it turns it only with a reason.

    While a queue is turned, its letters are with a consumer: they are not ready, and nobody else can take them.
    """
    marker = await database.fetchval(queue_acquaintance.MARKER.text)
    # Where the broker was slow at the first look, the second one comes after a minute.
    await eventually(lambda: queue_acquaintance.are_acquainted(settings, marker), seconds=90)


@asynccontextmanager
async def open_dead_letters(
    settings: SharedSettings, database: asyncpg.Connection, broker: Broker
) -> AsyncIterator[DeadLetters]:
    publisher = Publisher(settings, "test letters")
    yield DeadLetters(database, broker, publisher)
    await publisher.close()
