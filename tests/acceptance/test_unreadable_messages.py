"""A message whose properties no library reads is one more malformed message, wherever it lies."""

from __future__ import annotations

from pathlib import Path

import aio_pika
import pytest
from aio_pika.exceptions import ChannelPreconditionFailed

from shared.amqp.topology import DEAD_CHUNKS_QUEUE, DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from tests.support.mixed_file import write_mixed_file
from tests.support.raw_message import UNREADABLE_PROPERTIES, RawMessage
from tests.support.reference import read_top_to_bottom
from tests.support.services import Services
from tests.support.system import System
from tests.support.waiting import eventually

# A request, but for its properties.
BODY = b'{"kind": "text", "text": "hi"}'


@pytest.mark.fault(35)
@pytest.mark.parametrize("queue", [REQUESTS_QUEUE, DEAD_CHUNKS_QUEUE])
async def test_message_with_unreadable_properties_is_dead_lettered_and_work_goes_on(
    queue: str, services: Services, system: System, amqp_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "clean.csv"
    write_mixed_file(file, 200, bad_share=0, duplicate_share=0)
    await services.start("api_service")
    await services.start("producer_service")
    await services.start("consumer_service")
    sent = 0
    async with await aio_pika.connect(amqp_url) as connection:
        for place, properties in enumerate(UNREADABLE_PROPERTIES.values()):
            channel = await connection.channel()
            body = BODY.replace(b"hi", str(place).encode())
            try:
                await channel.default_exchange.publish(RawMessage(body, properties), queue)
            except ChannelPreconditionFailed:
                # RabbitMQ 3 refuses it itself, which closes the channel.
                assert "delivery mode" in list(UNREADABLE_PROPERTIES)[place]
            else:
                sent += 1
    assert sent >= len(UNREADABLE_PROPERTIES) - 1

    await system.until_letters_are_out()
    letters = await system.broker.take(DEAD_LETTERS_QUEUE, sent)
    assert {letter.routing_key for letter in letters} == {"malformed"}
    listed = (await system.client.get("/v1/dead-letters?limit=100")).json()["data"]
    assert ["properties cannot be read" in each["message"] for each in listed] == [True] * sent
    await eventually(lambda: system.broker.has_ready(REQUESTS_QUEUE, 0))
    await eventually(lambda: system.broker.has_ready(DEAD_CHUNKS_QUEUE, 0))

    upload = await system.until_finished(await system.upload(file))
    assert await system.differences(upload, read_top_to_bottom(file)) == []
    assert "broker lost" not in services.logs()
