"""Everything that a soak plays on: a broker and a Postgres of its own, each behind a proxy, and seven services."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support import servers as test_servers
from tests.support.own_broker import OwnBroker, own_broker
from tests.support.own_postgres import OwnPostgres, own_postgres
from tests.support.servers import Servers
from tests.support.services import Backends, Kind, Service, Services
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

# Short enough that every patience runs out many times in ten minutes.
ENVIRONMENT: Final = {
    "ROLLCALL_API_CHUNK_ROWS": "200",
    "ROLLCALL_AMQP_HEARTBEAT_SECONDS": "2",
    "ROLLCALL_PUBLISH_TIMEOUT_SECONDS": "3",
    "ROLLCALL_DATABASE_ANSWER_TIMEOUT_SECONDS": "3",
    "ROLLCALL_LOCK_TIMEOUT_SECONDS": "2",
    "ROLLCALL_IDLE_IN_TRANSACTION_TIMEOUT_SECONDS": "4",
    "ROLLCALL_PRODUCER_REPUBLISH_SECONDS": "5",
    "ROLLCALL_CONSUMER_UNPUBLISHED_AFTER_SECONDS": "5",
    # A consumer that was frozen for longer ends itself when it wakes.
    "ROLLCALL_CONSUMER_ROW_TIMEOUT_SECONDS": "5",
    # Letters are taken away all the time, and yet some wait for room.
    "ROLLCALL_DEAD_LETTERS_LIMIT": "100",
}
SERVICES: Final[Sequence[Kind]] = (
    *("api_service", "api_service"),
    *("producer_service", "producer_service"),
    *("consumer_service", "consumer_service", "consumer_service"),
)


@dataclass(frozen=True)
class Stage:
    """`amqp_url` and `postgres.url` pass by the proxies: what checks is not disturbed by what they do."""

    postgres: OwnPostgres
    database_proxy: TcpProxy
    broker: OwnBroker
    broker_proxy: TcpProxy
    amqp_url: str
    services: Services
    uploads: Path

    @property
    def vhost(self) -> str:
        return self.amqp_url.rpartition("/")[2]

    def one_of(self, kind: Kind, chance: random.Random) -> Service:
        return chance.choice(self.services.of(kind))


@contextlib.asynccontextmanager
async def open_stage(kind: str, folder: Path) -> AsyncIterator[Stage]:
    """`kind` is that of the servers, of `server_kinds.KINDS`. All services are ready when the block begins."""
    async with contextlib.AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(own_postgres(kind, folder))
        broker = stack.enter_context(own_broker(kind, folder))
        servers = broker.instead_of(Servers(kind, postgres.url, "", "", "", ""))
        amqp_url = await test_servers.create_vhost(servers)
        database_proxy = await stack.enter_async_context(tcp_proxy(postgres.url))
        broker_proxy = await stack.enter_async_context(tcp_proxy(amqp_url))
        uploads = folder / "uploads"
        uploads.mkdir()
        backends = Backends(database_proxy.url, broker_proxy.url, uploads.as_uri())
        services = await stack.enter_async_context(Services(backends, folder / "logs", ENVIRONMENT, warm=True))
        for each in SERVICES:
            services.launch(each, restarts_when_dead=True)
        for service in services.all:
            await service.until_ready()
        yield Stage(postgres, database_proxy, broker, broker_proxy, amqp_url, services, uploads)
