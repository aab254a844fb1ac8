"""The real Postgres and RabbitMQ that the tests run against: one pair a run, and for each
test a database and a virtual host.

`obtain()` starts the pair in a process of its own (`server_keeper`) when the first test of any xdist worker asks;
that process stops it when the run's first process is gone, however it went.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx2

from deploy.program import last_lines
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.waiting import eventually
from tools.ci.shared_servers import RUN_VARIABLE

CHECKOUT = Path(__file__).parents[2]
RUNS = CHECKOUT / ".local" / "test"
# The keeper tidies up itself, without a container of testcontainers' own that would; and nothing but loopback.
TESTCONTAINERS_ENVIRONMENT = {
    "TESTCONTAINERS_RYUK_DISABLED": "true",
    "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
    "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
}
LABEL = "rollcall.tests"  # of every container; its value, `own_label()`, says which process answers for it
START_SECONDS = 300  # the private servers may have to be installed first


@dataclass(frozen=True)
class Servers:
    """`postgres_url` is a superuser's, on the database `postgres`; `amqp_url` names no virtual host."""

    kind: str  # of `server_kinds.KINDS`
    postgres_url: str
    amqp_url: str
    management_url: str
    management_user: str
    management_password: str

    @property
    def management_auth(self) -> tuple[str, str]:
        return self.management_user, self.management_password

    def database_url(self, database: str) -> str:
        return f"{self.postgres_url.rpartition('/')[0]}/{database}"

    def vhost_url(self, vhost: str) -> str:
        return f"{self.amqp_url.rstrip('/')}/{quote(vhost, safe='')}"


def own_label() -> str:
    """When this process on this machine is gone, the next run removes the container."""
    return f"{socket.gethostname()}/{os.getpid()}"


def obtain() -> Servers:
    """The servers of this pytest run, started if need be. Raises RuntimeError with their log when they do not start."""
    folder = _run_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / "lock"):
        endpoints = folder / "endpoints.json"
        if not endpoints.exists():
            _start_keeper(folder, endpoints)
    return Servers(**json.loads(endpoints.read_text()))


def migrated_template(servers: Servers) -> str:
    """The name of the database that has every migration, made once a run and copied for each test."""
    folder = _run_folder()
    name = "migrated_template"
    with _lock(folder / "template.lock"):
        done = folder / "template.done"
        if not done.exists():
            # A process of its own, because the calling test may have an event loop that runs.
            migrate = [sys.executable, "-m", "tests.support.template", servers.postgres_url, name]
            outcome = subprocess.run(
                migrate, cwd=CHECKOUT, capture_output=True, text=True, timeout=START_SECONDS * patience()
            )
            if outcome.returncode != 0:
                raise RuntimeError(f"the migrations failed:\n{outcome.stdout}{outcome.stderr}")
            done.touch()
    return name


async def create_database(servers: Servers, template: str | None = None) -> str:
    """A new database, a copy of `template` if one is given; its URL."""
    name = f"test_{uuid.uuid4().hex}"
    # Its files are copied as they are: the other strategy writes each of their pages into the log as well.
    source = f'TEMPLATE "{template or "template0"}" STRATEGY FILE_COPY'
    await execute(servers.postgres_url, f'CREATE DATABASE "{name}" {source}')
    return servers.database_url(name)


async def drop_database(servers: Servers, url: str) -> None:
    """Drop it, whoever is still connected."""
    drop = f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)'

    async def is_dropped() -> bool:
        try:
            await execute(servers.postgres_url, drop)
        except asyncpg.ObjectInUseError:  # Postgres gives a session that it has ended five seconds to be gone
            return False
        return True

    await eventually(is_dropped, seconds=60)


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def create_vhost(servers: Servers) -> str:
    """A new virtual host of the broker; its AMQP URL."""
    name = f"test_{uuid.uuid4().hex}"
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    async with management(servers) as api:
        (await api.put(f"/api/vhosts/{name}")).raise_for_status()
        permissions = f"/api/permissions/{name}/{servers.management_user}"
        (await api.put(permissions, json=everything)).raise_for_status()
    return servers.vhost_url(name)


async def delete_vhost(servers: Servers, url: str) -> None:
    """Delete it with its queues; its connections are closed by the broker."""
    async with management(servers) as api:
        (await api.delete(f"/api/vhosts/{url.rpartition('/')[2]}")).raise_for_status()


async def versions(servers: Servers) -> str:
    """As `RabbitMQ 4.0.5, PostgreSQL 17.2`."""
    async with management(servers) as api:
        broker = (await api.get("/api/overview")).raise_for_status().json()["rabbitmq_version"]
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        database = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return f"RabbitMQ {broker}, PostgreSQL {database.split()[0]}"


def management(servers: Servers) -> httpx2.AsyncClient:
    """A client of the broker's management API; paths begin with /api/."""
    return plain_client(servers.management_url, auth=servers.management_auth, timeout=30 * patience())


def _run_folder() -> Path:
    # One name for all the processes of a run: under xdist the controller is each worker's parent, and CI has one pair
    # of servers for several runs.
    controller = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    return RUNS / (os.environ.get(RUN_VARIABLE) or str(controller))


def _start_keeper(folder: Path, endpoints: Path) -> None:
    log = folder / "keeper.log"
    with log.open("ab") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.server_keeper", str(folder), folder.name],
            cwd=CHECKOUT,
            env={**TESTCONTAINERS_ENVIRONMENT, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C ends the tests first, then the servers
        )
    deadline = time.monotonic() + START_SECONDS * patience()
    while not endpoints.exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            keeper.terminate()
            raise RuntimeError(f"the tests' servers did not start:\n{last_lines(log, 40)}")
        time.sleep(0.1)


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_endpoints(folder: Path, servers: Servers) -> None:
    """Publish the endpoints to the run's processes: all of the file or none of it."""
    unfinished = folder / "endpoints.unfinished"
    unfinished.write_text(json.dumps(asdict(servers)))
    unfinished.rename(folder / "endpoints.json")
