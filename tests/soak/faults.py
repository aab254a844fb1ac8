"""The faults of a soak: each strikes, lasts a while, and is mended again. None is ever left behind."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import aio_pika
import asyncpg

from shared.amqp.topology import DEAD_CHUNKS_QUEUE, REQUESTS_QUEUE
from tests.soak.stage import Stage
from tests.support.database_faults import terminate_sessions
from tests.support.raw_message import UNREADABLE_PROPERTIES, RawMessage
from tests.support.services import GRACE_SECONDS, Kind
from tests.support.tcp_proxy import TcpProxy

# As many in a row as convict an upload that causes them.
DEATHS: Final = 5

Fault = Callable[[Stage, random.Random], Awaitable[None]]


async def _kill(kind: Kind, stage: Stage, chance: random.Random) -> None:
    stage.one_of(kind, chance).kill()


async def _end(kind: Kind, stage: Stage, chance: random.Random) -> None:
    """SIGTERM, and SIGKILL for what outstays its grace, as a container engine does. It is started again."""
    service = stage.one_of(kind, chance)
    pid = service.pid
    service.signal(signal.SIGTERM)
    for _ in range(GRACE_SECONDS * 10):
        await asyncio.sleep(0.1)
        if not service.is_alive or service.pid != pid:
            return
    service.kill()


async def _freeze(kind: Kind, stage: Stage, chance: random.Random) -> None:
    """Past the lease, past the heartbeat, past what Postgres lets a transaction idle; some past what a row may take."""
    service = stage.one_of(kind, chance)
    service.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(chance.uniform(4, 8))
    finally:
        service.signal(signal.SIGCONT)


async def _cut(proxy: Callable[[Stage], TcpProxy], stage: Stage, chance: random.Random) -> None:
    proxy(stage).cut()
    await asyncio.sleep(chance.uniform(0.5, 5))
    await proxy(stage).open()


async def _silence(proxy: Callable[[Stage], TcpProxy], stage: Stage, chance: random.Random) -> None:
    """Longer than a heartbeat, a publish and a statement are waited for."""
    proxy(stage).stall()
    try:
        await asyncio.sleep(chance.uniform(2, 9))
    finally:
        proxy(stage).resume()


async def _restart_broker(stage: Stage, _: random.Random) -> None:
    await stage.broker.stop()
    await stage.broker.start()


async def _kill_broker(stage: Stage, _: random.Random) -> None:
    await stage.broker.kill()
    await stage.broker.start()


async def _close_broker_connections(stage: Stage, _: random.Random) -> None:
    await stage.broker.ctl("close_all_connections", "--vhost", stage.vhost, "soak")


async def _delete_request_queue(stage: Stage, _: random.Random) -> None:
    """Its consumers are cancelled by the broker, and what was in it is gone."""
    await stage.broker.ctl("delete_queue", "--vhost", stage.vhost, REQUESTS_QUEUE)


async def _unreadable_message(stage: Stage, chance: random.Random) -> None:
    """Half of them where only a producer finds it."""
    properties = chance.choice(list(UNREADABLE_PROPERTIES.values()))
    queue = chance.choice([REQUESTS_QUEUE, DEAD_CHUNKS_QUEUE])
    async with await aio_pika.connect(stage.amqp_url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(RawMessage(b"unreadable", properties), queue)


async def _memory_alarm(stage: Stage, chance: random.Random) -> None:
    await stage.broker.ctl("set_vm_memory_high_watermark", "0.00001")
    await asyncio.sleep(chance.uniform(1, 6))
    await stage.broker.ctl("set_vm_memory_high_watermark", "0.4")


async def _disk_alarm(stage: Stage, chance: random.Random) -> None:
    await stage.broker.ctl("set_disk_free_limit", "mem_relative", "1000.0")
    await asyncio.sleep(chance.uniform(1, 6))
    await stage.broker.ctl("set_disk_free_limit", "50MB")


async def _restart_postgres(stage: Stage, chance: random.Random) -> None:
    await stage.postgres.stop()
    await asyncio.sleep(chance.uniform(0, 3))
    await stage.postgres.start()


async def _crash_postgres(stage: Stage, _: random.Random) -> None:
    await stage.postgres.stop_immediately()
    await stage.postgres.start()


async def _kill_postgres(stage: Stage, _: random.Random) -> None:
    await stage.postgres.kill()
    await stage.postgres.start()


async def _terminate_sessions(stage: Stage, chance: random.Random) -> None:
    database = await asyncpg.connect(stage.postgres.url)
    for _ in range(chance.randint(1, 5)):
        await terminate_sessions(database)
        await asyncio.sleep(chance.uniform(0.1, 0.5))
    await database.close()


async def _kill_producers_without_consumers(stage: Stage, chance: random.Random) -> None:
    """Each time that they have taken what there is, and none of it is answered."""
    consumers = stage.services.of("consumer_service")
    for consumer in consumers:
        consumer.signal(signal.SIGSTOP)
    try:
        for _ in range(DEATHS):
            await asyncio.sleep(chance.uniform(0.5, 3))
            for producer in stage.services.of("producer_service"):
                producer.kill()
    finally:
        for consumer in consumers:
            consumer.signal(signal.SIGCONT)


async def _swap_store_away(stage: Stage, chance: random.Random) -> None:
    """An empty folder lies in its place, as when a volume is not mounted; what is put there is lost."""
    elsewhere = stage.uploads.with_name("uploads elsewhere")
    stage.uploads.rename(elsewhere)
    stage.uploads.mkdir(exist_ok=True)
    try:
        await asyncio.sleep(chance.uniform(1, 6))
    finally:
        await asyncio.to_thread(_swap_back, stage.uploads, elsewhere)


def _swap_back(folder: Path, elsewhere: Path) -> None:
    while elsewhere.exists():
        # Moved aside first, because somebody may be writing to it; and may make it anew in the very next moment.
        empty = folder.rename(folder.with_name("uploads that were empty"))
        with contextlib.suppress(OSError):
            elsewhere.rename(folder)
        shutil.rmtree(empty, ignore_errors=True)


OF_SERVICES: Final[dict[str, Fault]] = {
    "API killed": partial(_kill, "api_service"),
    "API ended": partial(_end, "api_service"),
    "API frozen": partial(_freeze, "api_service"),
    "producer killed": partial(_kill, "producer_service"),
    "producer ended": partial(_end, "producer_service"),
    "producer frozen": partial(_freeze, "producer_service"),
    "consumer killed": partial(_kill, "consumer_service"),
    "consumer ended": partial(_end, "consumer_service"),
    "consumer frozen": partial(_freeze, "consumer_service"),
    "producers killed without consumers": _kill_producers_without_consumers,
}
OF_SERVERS: Final[dict[str, Fault]] = {
    "broker connections closed": _close_broker_connections,
    "broker cut off": partial(_cut, lambda stage: stage.broker_proxy),
    "broker silent": partial(_silence, lambda stage: stage.broker_proxy),
    "broker restarted": _restart_broker,
    "broker killed": _kill_broker,
    "broker out of memory": _memory_alarm,
    "broker out of disk": _disk_alarm,
    "unreadable message": _unreadable_message,
    "request queue deleted": _delete_request_queue,
    "Postgres sessions ended": _terminate_sessions,
    "Postgres cut off": partial(_cut, lambda stage: stage.database_proxy),
    "Postgres silent": partial(_silence, lambda stage: stage.database_proxy),
    "Postgres restarted": _restart_postgres,
    "Postgres stopped at once": _crash_postgres,
    "Postgres killed": _kill_postgres,
    "upload store swapped away": _swap_store_away,
}
