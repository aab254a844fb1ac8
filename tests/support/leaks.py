"""Finds connections and files that services hold without need, and what they leave behind when they have ended.

Each function returns a sentence for each finding, and none when all is well.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import asyncpg
import psutil
from aio_pika.exceptions import ChannelClosed, ChannelNotFoundEntity

from shared.amqp.topology import BULK_REQUESTS_QUEUE, DEAD_CHUNKS_QUEUE, REQUESTS_QUEUE, UPLOADS_QUEUE
from shared.store_identity import IDENTITY_KEY
from tests.support.broker import Broker
from tests.support.patience import patience
from tests.support.services import Kind, Services


class Process(Protocol):
    """The part of a `Service` that these functions use."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def pid(self) -> int: ...
    @property
    def environment(self) -> Mapping[str, str]: ...


class Connections(NamedTuple):
    database: int
    broker: int


# The API: its pool, as large a one for reads, that of lease queues and the one that listens; a publisher, and one that
# asks for queue depths.
# The producer: its pool; three subscriptions and two publishers. The consumer: its pool; two and three.
ALLOWED: Final[dict[Kind, Connections]] = {
    "api_service": Connections(25, 2),
    "producer_service": Connections(8, 5),
    "consumer_service": Connections(3, 5),
}
OWN_QUEUES: Final = (REQUESTS_QUEUE, BULK_REQUESTS_QUEUE, UPLOADS_QUEUE, DEAD_CHUNKS_QUEUE)

_LEFT_IN_TABLES: Final = {
    "leases": "SELECT count(*) FROM upload_leases AS l JOIN uploads AS u ON u.id = l.upload_id"
    " WHERE l.owner <> '' OR u.finished_at IS NOT NULL",
    "unfinished jobs": "SELECT count(*) FROM bulk_jobs WHERE finished_at IS NULL",
    "row markers": "SELECT count(*) FROM row_markers AS m JOIN uploads AS u ON u.id = m.upload_id"
    " WHERE u.finished_at IS NOT NULL",
    # The tests' own connections have no name.
    "database connections": "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name <> ''",
}
_CALLBACK_QUEUE: Final = re.compile(r"callback\.[0-9a-f]{32}")


async def of_processes(services: Services) -> list[str]:
    """More connections than a service needs, and files that are open although nobody works on them."""
    findings = []
    for service in services.all:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            findings += of_process(service) if service.is_alive else []
    return findings


def of_process(process: Process) -> list[str]:
    held, allowed = connections_of(process), ALLOWED[process.kind]
    findings = [
        f"{process.name} has {count} connections to the {name}: {most} will do"
        for name, count, most in zip(Connections._fields, held, allowed, strict=True)
        if count > most
    ]
    return findings + [f"{process.name} still has {name} open" for name in open_files_of(process)]


def connections_of(process: Process) -> Connections:
    there = [each.raddr.port for each in psutil.Process(process.pid).net_connections("tcp") if each.raddr]
    database = _ports([process.environment["ROLLCALL_DATABASE_URL"]])
    broker = _ports(process.environment["ROLLCALL_AMQP_URL"].split(","))
    return Connections(sum(port in database for port in there), sum(port in broker for port in there))


def open_files_of(process: Process) -> list[str]:
    """Stored files, and temporary ones, which have no name any more while they are open."""
    store = _folder(process.environment["ROLLCALL_UPLOAD_STORE_URL"])
    names = []
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(str(descriptor.readlink()))
    return [name for name in names if name.endswith("(deleted)") or (store and Path(name).is_relative_to(store))]


async def after_the_end(services: Services, broker: Broker, database: asyncpg.Connection) -> list[str]:
    """To be asked when every service has ended."""
    return [
        *await left_in_queues(broker, services.logs()),
        *await left_in_tables(database),
        *await left_in_store(database, services.backends.upload_store_url),
    ]


async def left_in_queues(broker: Broker, logs: str) -> list[str]:
    """Messages and consumers of the system's own queues, and callback queues, whose names stand in the logs."""
    findings = []
    for queue in OWN_QUEUES:
        state = await broker.state(queue)
        if state.ready or state.consumers:
            findings.append(f"left in {queue}: {state.ready} messages, {state.consumers} consumers")
    for queue in sorted(set(_CALLBACK_QUEUE.findall(logs))):
        try:
            await broker.state(queue)
        except ChannelNotFoundEntity:
            continue
        except ChannelClosed:  # 405: it is there, and exclusive to another connection
            pass
        findings.append(f"left: the queue {queue}")
    return findings


async def left_in_tables(database: asyncpg.Connection) -> list[str]:
    counts = {name: await database.fetchval(query) for name, query in _LEFT_IN_TABLES.items()}
    return [f"left: {count} {name}" for name, count in counts.items() if count]


async def left_in_store(database: asyncpg.Connection, upload_store_url: str) -> list[str]:
    """Files that no upload has, among them those that were never finished. A bucket is not looked into."""
    folder = _folder(upload_store_url)
    if folder is None or not folder.exists():
        return []
    query = "SELECT object_key, original_key FROM uploads WHERE file_deleted_at IS NULL"
    known = {key for keys in await database.fetch(query) for key in keys}
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return [f"left in the store: {name}" for name in sorted(names - known - {IDENTITY_KEY})]


async def lasting(look: Callable[[], Awaitable[list[str]]], *, seconds: float = 15) -> list[str]:
    """The findings that are left after that time. Returns none as soon as there are none."""
    began = asyncio.get_running_loop().time()
    while True:
        findings = await look()
        # Asked anew each time: the machine may become busy meanwhile.
        if not findings or asyncio.get_running_loop().time() > began + seconds * patience():
            return findings
        await asyncio.sleep(0.1)


def _ports(urls: Iterable[str]) -> set[int | None]:
    return {urlsplit(url.strip()).port for url in urls}


def _folder(upload_store_url: str) -> Path | None:
    parts = urlsplit(upload_store_url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
