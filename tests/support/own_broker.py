"""A RabbitMQ of a test's own, to be stopped, killed and started again: always on the same port, with its data kept."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from deploy import container_engine
from deploy.local import debian_packages, private_servers
from deploy.local.private_servers import PrivateRabbitMQ
from deploy.program import RunningProgram, as_account, free_port, start
from tests.support import servers as test_servers
from tests.support.patience import patience
from tests.support.server_kinds import IMAGES, PRIVATE
from tests.support.servers import LABEL, Servers, own_label

START_SECONDS = 120
# For `ctl`: the alarm of a broker that is short of disk, and its end.
FULL_DISK: Final = ("set_disk_free_limit", "1000000000000000")
ROOM_AGAIN: Final = ("set_disk_free_limit", "50000000")


class OwnBroker(ABC):
    """It runs when the test gets it. `start` returns when it takes connections."""

    def __init__(self, amqp_port: int, management_url: str, password: str) -> None:
        self._amqp_port = amqp_port
        self._management_url = management_url
        self._password = password

    def instead_of(self, servers: Servers) -> Servers:
        """The same Postgres, and this broker."""
        return replace(
            servers,
            amqp_url=f"amqp://{private_servers.USER}:{self._password}@127.0.0.1:{self._amqp_port}/",
            management_url=self._management_url,
            management_user=private_servers.USER,
            management_password=self._password,
        )

    async def start(self) -> None:
        self._start()  # in this thread: a private one is killed when the thread that started it ends
        await asyncio.to_thread(self._wait_until_ready)

    async def stop(self) -> None:
        """In good order, as an operator stops it."""
        await asyncio.to_thread(self._stop)

    async def kill(self) -> None:
        """SIGKILL."""
        await asyncio.to_thread(self._kill)

    async def ctl(self, *words: str) -> str:
        """The output of `rabbitmqctl`. Raises CalledProcessError."""
        return await asyncio.to_thread(self._ctl, *words)

    @abstractmethod
    def log(self) -> str:
        """What the broker has logged."""

    @property
    @abstractmethod
    def is_running(self) -> bool: ...

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _stop(self) -> None: ...

    @abstractmethod
    def _kill(self) -> None: ...

    @abstractmethod
    def _ctl(self, *words: str) -> str: ...

    @property
    def _listener(self) -> int:
        """The port on which the broker itself listens, in a container another one than outside."""
        return self._amqp_port

    def _wait_until_ready(self) -> None:
        allowed = START_SECONDS * patience()
        deadline = time.monotonic() + allowed
        url, user, password = self._management_url, private_servers.USER, self._password
        while not private_servers.broker_is_ready(url, user, password, self._listener):
            if time.monotonic() > deadline:
                raise AssertionError(f"the broker was not ready after {allowed:.0f} s")
            time.sleep(0.1)


class _Container(OwnBroker):
    def __init__(self, image: str) -> None:
        amqp_port, management_port, password = free_port(), free_port(), secrets.token_hex(8)
        super().__init__(amqp_port, f"http://127.0.0.1:{management_port}", password)
        words = ["--hostname=own-broker", f"--label={LABEL}={own_label()}"]
        words += [f"--publish=127.0.0.1:{amqp_port}:5672", f"--publish=127.0.0.1:{management_port}:15672"]
        words += [f"--env=RABBITMQ_DEFAULT_USER={private_servers.USER}", f"--env=RABBITMQ_DEFAULT_PASS={password}"]
        self._container = _output(["docker", "run", "--detach", *words, image])

    def remove(self) -> None:
        container_engine.remove_container(self._container)

    def log(self) -> str:
        return container_engine.log_of(self._container)

    @property
    def is_running(self) -> bool:
        return _output(["docker", "inspect", "--format={{.State.Running}}", self._container]) == "true"

    @property
    def _listener(self) -> int:
        return 5672

    def _start(self) -> None:
        _output(["docker", "start", self._container])

    def _stop(self) -> None:
        _output(["docker", "stop", "--time=30", self._container])

    def _kill(self) -> None:
        _output(["docker", "kill", self._container])

    def _ctl(self, *words: str) -> str:
        return _output(["docker", "exec", self._container, "rabbitmqctl", "--quiet", *words])


class _Private(OwnBroker):
    def __init__(self, rabbitmq: PrivateRabbitMQ, folder: Path) -> None:
        super().__init__(rabbitmq.ports.amqp, rabbitmq.management_url, rabbitmq.password)
        self._program = rabbitmq.node
        self._log = folder / "own-broker.log"
        self._running: RunningProgram | None = None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self._running is not None and not self._running.has_ended()

    def _start(self) -> None:
        self._running = start(self._program, self._log)

    def _stop(self) -> None:
        assert self._running is not None
        self._running.stop()

    def _kill(self) -> None:
        assert self._running is not None
        self._running.process.kill()
        self._running.process.wait()

    def _ctl(self, *words: str) -> str:
        scripts = debian_packages.rabbitmq_programs()
        assert scripts is not None
        command = [*as_account(self._program.account), str(scripts / "rabbitmqctl"), "--quiet", *words]
        return _output(command, dict(self._program.environment))


@contextmanager
def own_broker(kind: str, folder: Path) -> Iterator[OwnBroker]:
    """Of the kind that the run's servers have; logs, and a private one's data, are kept under `folder` meanwhile."""
    if kind != PRIVATE:
        container = _Container(IMAGES[kind].rabbitmq)
        try:
            container._wait_until_ready()
            yield container
        finally:
            container.remove()
    else:
        rabbitmq = private_servers.prepare_rabbitmq(folder / "rabbitmq", private_servers.free_rabbitmq_ports())
        epmd = start(rabbitmq.epmd, folder / "epmd.log")
        broker = _Private(rabbitmq, folder)
        try:
            epmd.wait_until_ready()
            broker._start()
            broker._wait_until_ready()
            yield broker
        finally:
            if broker.is_running:
                broker._kill()
            epmd.stop()
            private_servers.remove(folder / "rabbitmq")


def _output(command: list[str], environment: dict[str, str] | None = None) -> str:
    seconds = START_SECONDS * patience()
    done = subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, check=True, timeout=seconds
    )
    return done.stdout.strip()


@asynccontextmanager
async def vhost_on(broker: OwnBroker, servers: Servers) -> AsyncIterator[str]:
    """The AMQP URL of a virtual host there. In the end the broker runs again, without an alarm."""
    own_servers = broker.instead_of(servers)
    url = await test_servers.create_vhost(own_servers)
    yield url
    if not broker.is_running:
        await broker.start()
    await broker.ctl(*ROOM_AGAIN)
    await test_servers.delete_vhost(own_servers, url)
