"""The rig for measurements: a private Postgres and RabbitMQ, and on them a new database and new services each time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.support import servers as test_servers
from tests.support.private_pair import private_pair
from tests.support.servers import CHECKOUT, Servers
from tests.support.services import Backends, Services

TEMPLATE: Final = "migrated"
NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Rig:
    """`settings` are the services' own environment, beyond their defaults; `folder` is for the measurement's files."""

    servers: Servers
    folder: Path
    settings: Mapping[str, str]

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A new, migrated database, behind a checkpoint: each measurement begins with the same amount of work left."""
        url = await test_servers.create_database(self.servers, TEMPLATE)
        await test_servers.execute(url, "CHECKPOINT")
        try:
            yield url
        finally:
            await test_servers.drop_database(self.servers, url)

    @asynccontextmanager
    async def services(self, database_url: str, *, consumers: int = 2) -> AsyncIterator[Services]:
        """An API, a producer and so many consumers with their default settings, on a virtual host of their own."""
        vhost = await test_servers.create_vhost(self.servers)
        store = Path(tempfile.mkdtemp(prefix="store-", dir=self.folder))
        backends = Backends(database_url, vhost, store.as_uri())
        async with Services(backends, self.folder, self.settings, hurry=NO_SETTINGS) as services:
            await services.start_all(consumers=consumers)
            yield services
        await test_servers.delete_vhost(self.servers, vhost)


@contextmanager
def rig(settings: Mapping[str, str] = NO_SETTINGS) -> Iterator[Rig]:
    """Servers as durable as `make up` has them; everything is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, private_pair(Path(folder)) as servers:
        migrate = [sys.executable, "-m", "tests.support.template", servers.postgres_url, TEMPLATE]
        subprocess.run(migrate, cwd=CHECKOUT, check=True, capture_output=True)
        yield Rig(servers, Path(folder), settings)


async def run_program(*command: str, **environment: str) -> None:
    """Raises CalledProcessError when it fails."""
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, env=environment or None)
