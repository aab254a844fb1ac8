"""The three services as real processes, started as operators do, to be killed, stopped and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

import psutil

from deploy.checkout import is_ready
from deploy.program import Program, RunningProgram, free_port, last_lines, start
from tests.support.failpoint_settings import slow_consumer
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.servers import CHECKOUT
from tests.support.waiting import eventually
from tests.support.warm_start import start_warm

Kind = Literal["api_service", "producer_service", "consumer_service"]

# Shorter times than an operator would set, so that a survivor takes over soon.
QUICK: Final = {
    "ROLLCALL_API_JOB_LEASE_SECONDS": "3",
    # Longer than any living consumer needs from its commit to its letters, which would come twice otherwise.
    "ROLLCALL_CONSUMER_UNPUBLISHED_AFTER_SECONDS": str(30 * patience()),
    "ROLLCALL_PRODUCER_SWEEP_SECONDS": "0.5",
    "ROLLCALL_PRODUCER_LEASE_SECONDS": "3",
    "ROLLCALL_PRODUCER_PROGRESS_SECONDS": "0.1",
    "ROLLCALL_PRODUCER_LEDGER_CHECK_SECONDS": "1",
    "ROLLCALL_PRODUCER_MISSING_FILE_SECONDS": "1",
}
START_SECONDS: Final = 60
GRACE_SECONDS: Final = 20
# The grace of its requests comes first, then it closes what it has open.
END_SECONDS: Final = 60
KILLED: Final = -signal.SIGKILL


class Backends(NamedTuple):
    """The servers and the store that every service uses."""

    database_url: str
    amqp_url: str
    upload_store_url: str

    def as_environment(self) -> dict[str, str]:
        return {
            "ROLLCALL_DATABASE_URL": self.database_url,
            "ROLLCALL_AMQP_URL": self.amqp_url,
            "ROLLCALL_UPLOAD_STORE_URL": self.upload_store_url,
            "ROLLCALL_AUTHENTICATION": "off",
        }


class Service:
    """One process on a port of its own, which it keeps when it is started again."""

    def __init__(
        self,
        name: str,
        kind: Kind,
        port: int,
        logs: Path,
        environment: dict[str, str],
        checkout: Path = CHECKOUT,
        *,
        warm: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.environment = environment
        self._checkout = checkout
        self._start = start_warm if warm and checkout == CHECKOUT else start
        # Like `restart: unless-stopped` of a container.
        self.restarts_when_dead = False
        self.deaths = 0
        self.log = logs / f"{name}.log"
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._running: RunningProgram | None = None

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    @property
    def is_alive(self) -> bool:
        return self._running is not None and not self._running.has_ended()

    def peak_memory_mib(self) -> float:
        """The most resident memory that this process has had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def forget_peak_memory(self) -> None:
        """From now on the peak is that of what comes."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def start(self, changed: Mapping[str, str] | None = None) -> None:
        """Without waiting for it, with these variables changed."""
        self.environment.update(changed or {})
        serve = ["-m", "uvicorn", f"{self.kind}.app:create_app", "--factory", "--host", "127.0.0.1"]
        bounds = ["--http", "shared.service.bounded_http:BoundedHttp"]
        grace = ["--no-access-log", *bounds, "--timeout-graceful-shutdown", str(GRACE_SECONDS)]
        program = Program(
            name=self.name,
            command=[sys.executable, *serve, "--port", str(self.port), *grace],
            environment=self.environment,
            is_ready=lambda: is_ready(self.url),
            working_folder=self._checkout,
            start_seconds=START_SECONDS * patience(),
        )
        self._running = self._start(program, self.log)

    @property
    def is_live(self) -> bool:
        """It has started, whatever else it waits for: from now on it works, and drains when it is told to end."""
        started = f"server process [{self.pid}]"
        return self.is_alive and "Uvicorn running" in self.log.read_text().partition(started)[2]

    async def until_live(self) -> None:
        await eventually(lambda: self.is_live, seconds=60)

    async def says_not_ready(self) -> bool:
        async with plain_client(timeout=10 * patience()) as client:
            return (await client.get(f"{self.url}/readyz")).status_code == 503

    @property
    def is_asleep(self) -> bool:
        """SIGSTOP has stopped it."""
        return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)

    async def metric(self, name: str) -> float:
        """Summed over its labels."""
        async with plain_client() as client:
            text = (await client.get(f"{self.url}/metrics")).raise_for_status().text
        samples = [line.rpartition(" ") for line in text.splitlines() if re.match(rf"{name}[ {{]", line)]
        assert samples, f"{self.name} has no metric {name}"
        return sum(float(value) for _, _, value in samples)

    async def until_ready(self) -> None:
        assert self._running is not None
        await asyncio.to_thread(self._running.wait_until_ready)

    def signal(self, number: signal.Signals) -> None:
        """To a process that is gone already, nothing."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def until_stopped(self) -> None:
        """Wait until it has stopped itself, at a failpoint."""
        stat = Path(f"/proc/{self.pid}/stat")
        await eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", seconds=60)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    async def ended(self, *, seconds: float = END_SECONDS) -> int:
        """Wait for its end; its exit status."""
        running = self._running
        assert running is not None
        await eventually(running.has_ended, seconds=seconds)
        status = running.process.returncode
        assert status is not None
        return status

    async def terminate(self) -> None:
        """SIGTERM, and make sure that it drained."""
        self.signal(signal.SIGTERM)
        assert await self.ended() == 0, last_lines(self.log, 8)
        assert "Finished server process" in last_lines(self.log, 3)

    async def restart(self, changed: Mapping[str, str] | None = None) -> None:
        """Start it again, with these variables changed; it has ended."""
        self.start(changed)
        await self.until_ready()

    def restart_if_dead(self) -> None:
        if self.restarts_when_dead and not self.is_alive:
            self.deaths += 1
            self.start()


class Services:
    """All processes of one test; `async with` it, and none is left, whatever happens.

    `warm` ones start much sooner, and hold what all three services import.
    """

    def __init__(
        self,
        backends: Backends,
        logs: Path,
        environment: Mapping[str, str],
        *,
        hurry: Mapping[str, str] = QUICK,
        warm: bool = False,
    ) -> None:
        self.backends = backends
        self._warm = warm
        self._logs = logs
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}
        self._environment = {**inherited, **hurry, **backends.as_environment(), **environment}
        # What all services of a kind are given, beside what all services are.
        self.own_of: dict[Kind, Mapping[str, str]] = {}
        self._restarting: asyncio.Task[None] | None = None
        self._api_port = free_port()
        self.api_url = f"http://127.0.0.1:{self._api_port}"
        self.all: list[Service] = []

    async def __aenter__(self) -> Services:
        self._restarting = asyncio.create_task(self._restart_the_dead())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._restarting is not None
        self._restarting.cancel()
        for service in self.all:
            service.kill()
        for service in self.all:
            await service.ended()

    def launch(
        self,
        kind: Kind,
        own: Mapping[str, str] | None = None,
        *,
        restarts_when_dead: bool = False,
        checkout: Path = CHECKOUT,
    ) -> Service:
        """Start one without waiting for it. `own` is the environment that it does not share."""
        name = f"{kind}-{sum(service.kind == kind for service in self.all) + 1}"
        port = self._api_port if kind == "api_service" and not self.of(kind) else free_port()
        environment = {**self._environment, **self.own_of.get(kind, {}), **(own or {})}
        service = Service(name, kind, port, self._logs, environment, checkout, warm=self._warm)
        service.restarts_when_dead = restarts_when_dead
        self.all.append(service)
        service.start()
        return service

    async def start(self, kind: Kind, own: Mapping[str, str] | None = None) -> Service:
        service = self.launch(kind, own)
        await service.until_ready()
        return service

    async def start_all(self, *, consumers: int = 2, producers: int = 1) -> None:
        """An API and so many of the others, at once."""
        await asyncio.gather(
            self.start("api_service"),
            *(self.start("producer_service") for _ in range(producers)),
            *(self.start("consumer_service") for _ in range(consumers)),
        )

    async def start_slow(self, *, chunk_seconds: float) -> None:
        """The same with two consumers that take so much longer for each chunk; only the API is ready already."""
        for _ in range(2):
            self.launch("consumer_service", slow_consumer(chunk_seconds))
        self.launch("producer_service")
        await self.start("api_service")

    async def end(self) -> None:
        """SIGTERM to all that live, and make sure that they drained; none comes back."""
        for service in self.all:
            service.restarts_when_dead = False
        living = [service for service in self.all if service.is_alive]
        for service in living:
            service.signal(signal.SIGCONT)
        await asyncio.gather(*(service.until_live() for service in living))
        await asyncio.gather(*(service.terminate() for service in living))

    def of(self, kind: Kind) -> list[Service]:
        return [service for service in self.all if service.kind == kind]

    @property
    def api(self) -> Service:
        return self.of("api_service")[0]

    @property
    def producer(self) -> Service:
        return self.of("producer_service")[0]

    @property
    def consumer(self) -> Service:
        return self.of("consumer_service")[0]

    def last_lines(self) -> str:
        """The end of every log, for a test that fails."""
        return "\n\n".join(f"{service.name}:\n{last_lines(service.log, 8)}" for service in self.all)

    def logs(self) -> str:
        return "".join(service.log.read_text() for service in self.all)

    async def _restart_the_dead(self) -> None:
        while True:
            for service in self.all:
                service.restart_if_dead()
            await asyncio.sleep(0.1)
