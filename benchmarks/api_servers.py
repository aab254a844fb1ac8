"""The servers that requests are measured on: a private Postgres, and API processes of this checkout or another."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from deploy.local import debian_packages, private_servers
from deploy.program import free_port, start

CHECKOUT = Path(__file__).parents[1]


@contextmanager
def postgres(url: str | None) -> Iterator[str]:
    """A database with the migrations: that one, or one on a server of our own, as durable as `make up` has it."""
    if url is not None:
        _migrate(url)
        yield url
        return
    debian_packages.ensure_installed()
    with tempfile.TemporaryDirectory() as folder:
        server = private_servers.prepare_postgres(Path(folder) / "postgres", free_port())
        running = start(server.program, Path(folder) / "postgres.log")
        try:
            running.wait_until_ready()
            _migrate(server.url())
            yield server.url()
        finally:
            running.stop()
            private_servers.remove(Path(folder) / "postgres")


@asynccontextmanager
async def other_database(url: str, checkout: Path) -> AsyncIterator[str]:
    """One on the same server for as long, with the migrations of that checkout."""
    name = "rollcall_other_checkout"
    await _execute(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await _execute(url, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        other_url = urlsplit(url)._replace(path=f"/{name}").geturl()
        _migrate(other_url, checkout)
        yield other_url
    finally:
        await _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def _migrate(url: str, checkout: Path = CHECKOUT) -> None:
    environment = {**os.environ, "ROLLCALL_DATABASE_URL": url}
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=checkout, env=environment, check=True)


@contextmanager
def api_processes(
    url: str, count: int, *, authentication: str = "off", checkout: Path = CHECKOUT
) -> Iterator[list[int]]:
    """Their ports. They run as in the image, but log no requests; another checkout's with the packages of this one."""
    store = checkout / ".local" / "benchmarks" / "uploads"
    store.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_AMQP_URL": "amqp://none:none@127.0.0.1:1/none",
        "ROLLCALL_UPLOAD_STORE_URL": store.as_uri(),
        "ROLLCALL_LOG_LEVEL": "WARNING",
        "ROLLCALL_AUTHENTICATION": authentication,
    }
    ports = [free_port() for _ in range(count)]
    command = [sys.executable, "-m", "uvicorn", "api_service.app:create_app", "--factory", "--no-access-log"]
    with (store.parent / "api.log").open("ab") as log:
        processes = [
            subprocess.Popen([*command, "--port", str(port)], cwd=checkout, env=environment, stdout=log, stderr=log)
            for port in ports
        ]
    try:
        for port in ports:
            _wait_until_it_listens(port)
        yield ports
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            sys.exit("the API did not start; see .local/benchmarks/api.log")
        time.sleep(0.1)
