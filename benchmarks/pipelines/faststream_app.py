"""One row a message with FastStream: its defaults, which acknowledge after the handler, with a prefetch of 1."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg
from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker

from benchmarks.pipelines.rows import AMQP_URL, ASYNCPG_INSERT, DATABASE_URL, read_rows

WORKER: Final = "faststream run benchmarks.pipelines.faststream_app:app --workers 2 --log-level warning"

broker = RabbitBroker(AMQP_URL, default_channel=Channel(prefetch_count=1))
app = FastStream(broker)
pool: asyncpg.Pool


@app.on_startup
async def open_pool() -> None:
    global pool
    pool = await asyncpg.create_pool(DATABASE_URL)


@broker.subscriber("rows")
async def insert(row: list[str]) -> None:
    await pool.execute(ASYNCPG_INSERT, *row)


def send_all() -> None:
    async def send() -> None:
        async with broker:
            for row in read_rows():
                await broker.publish(row, "rows")

    asyncio.run(send())
