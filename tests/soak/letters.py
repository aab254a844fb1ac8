"""Empties the dead letters as they come, so that each upload's can be held to its reference."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import aio_pika

from shared.amqp.connection import BrokerUnavailable, broker_errors
from shared.amqp.topology import DEAD_LETTERS_QUEUE, MALFORMED_KEY
from tests.support.checker import letter_differences
from tests.support.reference import Expected

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage

RECONNECT_SECONDS = 0.5
ROUND_SECONDS = 5
PREFETCH = 200


class Letters:
    """A letter may come twice after a crash; one that comes when its upload has been checked is judged by its row."""

    def __init__(self, amqp_url: str) -> None:
        self._amqp_url = amqp_url
        self._arrived: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._checked: dict[str, frozenset[int]] = {}
        self.late_differences: list[str] = []

    async def collect(self) -> None:
        """Until cancelled, whatever happens to the broker meanwhile."""
        while True:
            try:
                with broker_errors("no letters"):
                    async with await aio_pika.connect(self._amqp_url, timeout=ROUND_SECONDS, heartbeat=2) as connection:
                        channel = await connection.channel()
                        await channel.set_qos(prefetch_count=PREFETCH)
                        queue = await channel.get_queue(DEAD_LETTERS_QUEUE, ensure=False)
                        await queue.consume(self._take)
                        lost = asyncio.Event()
                        channel.close_callbacks.add(lambda *_, lost=lost: lost.set())
                        await lost.wait()
            except BrokerUnavailable:
                await asyncio.sleep(RECONNECT_SECONDS)

    async def differences(self, upload_id: str, expected: Expected, *, seconds: float) -> list[str]:
        """Of a finished upload; letters that are still on their way are waited for."""
        wanted = frozenset(reject.row_number for reject in expected.rejects)
        deadline = asyncio.get_running_loop().time() + seconds
        while not wanted <= {letter["rowNumber"] for letter in self._arrived[upload_id]}:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.2)
        self._checked[upload_id] = wanted
        return letter_differences(self._arrived.pop(upload_id, []), expected, may_repeat=True)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        if message.routing_key == MALFORMED_KEY:
            await message.ack()
            return
        letter = json.loads(message.body)
        upload_id, row_number = letter["uploadId"], letter["rowNumber"]
        if upload_id not in self._checked:
            self._arrived[upload_id].append(letter)
        elif row_number not in self._checked[upload_id]:
            self.late_differences.append(f"{upload_id}: unexpected in the dead letters: row {row_number}")
        await message.ack()
