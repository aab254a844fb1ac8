"""A Postgres of a test's own, to be stopped, killed and started again: always on the same port, with its data kept.

As durable as an operator has it, unlike the one that the tests share: fsync is on.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import psutil

from deploy import container_engine
from deploy.local import debian_packages, private_servers
from deploy.local.private_servers import PrivatePostgres
from deploy.program import RunningProgram, free_port, start
from tests.support.patience import patience
from tests.support.server_kinds import IMAGES, PRIVATE
from tests.support.servers import CHECKOUT, LABEL, own_label
from tests.support.waiting import eventually

START_SECONDS = 60
DATABASE = "own"


class OwnPostgres(ABC):
    """It runs, and has a database with every migration, when the test gets it."""

    def __init__(self, port: int, password: str) -> None:
        self._server_url = f"postgresql://{private_servers.USER}:{password}@127.0.0.1:{port}"
        self.url = f"{self._server_url}/{DATABASE}"

    async def start(self) -> None:
        """Returns when it takes connections: after a crash that is when what was committed is there again."""
        await asyncio.to_thread(self._start)
        await self.until_ready()

    async def stop(self) -> None:
        """As an operator does: sessions are ended, their transactions rolled back."""
        await asyncio.to_thread(self._signal, signal.SIGINT)

    async def stop_immediately(self) -> None:
        """As `pg_ctl stop -m immediate`: nothing is finished or written down, the next start recovers."""
        await asyncio.to_thread(self._signal, signal.SIGQUIT)

    async def kill(self) -> None:
        """SIGKILL, to all its processes at once."""
        await asyncio.to_thread(self._signal, signal.SIGKILL)

    async def until_ready(self) -> None:
        await eventually(self._takes_connections, seconds=START_SECONDS)

    async def migrate(self) -> None:
        command = [sys.executable, "-m", "tests.support.template", f"{self._server_url}/postgres", DATABASE]
        seconds = 5 * START_SECONDS * patience()
        await asyncio.to_thread(subprocess.run, command, cwd=CHECKOUT, check=True, capture_output=True, timeout=seconds)

    async def _takes_connections(self) -> bool:
        try:
            connection = await asyncpg.connect(f"{self._server_url}/postgres", timeout=5 * patience())
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    @abstractmethod
    def log(self) -> str:
        """What the server has logged."""

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _signal(self, number: signal.Signals) -> None:
        """Send it, and wait until nothing of the server is left."""


class _Container(OwnPostgres):
    def __init__(self, image: str, settings: Mapping[str, str]) -> None:
        port, password = free_port(), secrets.token_hex(8)
        super().__init__(port, password)
        words = [f"--publish=127.0.0.1:{port}:5432", f"--label={LABEL}={own_label()}"]
        words += [f"--env=POSTGRES_USER={private_servers.USER}", f"--env=POSTGRES_PASSWORD={password}"]
        flags = _flags({**private_servers.LOG_WITHOUT_ROWS, **settings})
        self._container = _output("docker", "run", "--detach", *words, image, "postgres", *flags)

    def remove(self) -> None:
        container_engine.remove_container(self._container)

    def log(self) -> str:
        return container_engine.log_of(self._container)

    def _start(self) -> None:
        _output("docker", "start", self._container)

    def _signal(self, number: signal.Signals) -> None:
        _output("docker", "kill", f"--signal={number.name}", self._container)
        _output("docker", "wait", self._container)


class _Private(OwnPostgres):
    def __init__(self, postgres: PrivatePostgres, log: Path) -> None:
        super().__init__(postgres.port, postgres.password)
        self._program = postgres.program
        self._log = log
        self._running: RunningProgram | None = None

    def remove(self) -> None:
        if self._running is not None and not self._running.has_ended():
            self._signal(signal.SIGKILL)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _start(self) -> None:
        self._running = start(self._program, self._log)

    def _signal(self, number: signal.Signals) -> None:
        assert self._running is not None
        # Sessions outlive a first process that alone was killed, and keep the next one from starting.
        family = psutil.Process(self._running.pid).children(recursive=True)
        self._running.process.send_signal(number)
        if number is signal.SIGKILL:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._running.process.wait()
        psutil.wait_procs(family)


@contextlib.asynccontextmanager
async def own_postgres(
    kind: str, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[OwnPostgres]:
    """Of the kind that the run's servers have; a private one's log and data are kept under `folder` meanwhile."""
    postgres: _Container | _Private
    if kind != PRIVATE:
        postgres = _Container(IMAGES[kind].postgres, settings or {})
    else:
        debian_packages.ensure_installed()
        prepared = private_servers.prepare_postgres(folder / "postgres", free_port(), settings)
        postgres = _Private(prepared, folder / "own-postgres.log")
        postgres._start()
    try:
        await postgres.until_ready()
        await postgres.migrate()
        yield postgres
    finally:
        await asyncio.to_thread(postgres.remove)
        private_servers.remove(folder / "postgres")


def _flags(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=2 * START_SECONDS * patience())
    return done.stdout.strip()
