"""One row a task with Taskiq on aio-pika: its defaults, which acknowledge late, with a prefetch of 1."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg
from taskiq import TaskiqEvents, TaskiqState
from taskiq_aio_pika import AioPikaBroker

from benchmarks.pipelines.rows import AMQP_URL, ASYNCPG_INSERT, DATABASE_URL, read_rows

WORKER: Final = "taskiq worker benchmarks.pipelines.taskiq_app:broker --workers 2 --log-level WARNING"

broker = AioPikaBroker(AMQP_URL, qos=1)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_pool(state: TaskiqState) -> None:
    state.pool = await asyncpg.create_pool(DATABASE_URL)


@broker.task
async def insert(name: str, company: str, mobile: str, email: str) -> None:
    await broker.state.pool.execute(ASYNCPG_INSERT, name, company, mobile, email)


def send_all() -> None:
    async def send() -> None:
        await broker.startup()
        for row in read_rows():
            await insert.kiq(*row)
        await broker.shutdown()

    asyncio.run(send())
