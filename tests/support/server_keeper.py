"""Starts one Postgres and one RabbitMQ for a pytest run, and stops them when the run's first process is gone.

`python -m tests.support.server_keeper RUN_FOLDER CONTROLLER_PID`. A process of its own, because every other
place misses an end: a worker ends before its siblings, and no hook runs after Ctrl-C twice or `kill -9`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from testcontainers.core.container import DockerContainer

from deploy import container_engine
from deploy.local import debian_packages, private_servers
from tests.support.patience import patience
from tests.support.private_pair import private_pair
from tests.support.server_kinds import IMAGES, PRIVATE, chosen_kind
from tests.support.servers import LABEL, RUNS, Servers, own_label, write_endpoints

START_SECONDS = 120
POSTGRES_SETTINGS = {
    **private_servers.LOG_WITHOUT_ROWS,
    # Test data may be lost with the machine; tests about crashes of Postgres start one of their own.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}
# On a disk a test's database of hundreds of files costs more than the rest of the test, and its queues wait for each
# sync. `long` tests put a million rows into the servers.
MEMORY_FOR_DATA_BYTES = 8 * 1024**3
DATA_IN_MEMORY = "/data-in-memory"


def main(folder: Path, controller: int) -> None:
    with ExitStack() as stack:
        # Every end of this process but kill -9 unwinds the stack, which stops the servers.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            kind = chosen_kind()
        except ValueError as error:
            sys.exit(str(error))
        _sweep_left_overs()
        (folder / "keeper.pid").write_text(str(os.getpid()))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        servers = stack.enter_context(_private(folder) if kind == PRIVATE else _containers(kind))
        write_endpoints(folder, servers)
        while _is_alive(controller):
            time.sleep(0.2)


@contextmanager
def _private(folder: Path) -> Iterator[Servers]:
    try:
        with private_pair(folder, POSTGRES_SETTINGS) as servers:
            yield servers
    except debian_packages.ServersMissing as missing:
        sys.exit(str(missing))


@contextmanager
def _containers(kind: str) -> Iterator[Servers]:
    images = IMAGES[kind]
    password = secrets.token_hex(8)
    labels = {LABEL: own_label()}
    flags = [word for name, value in POSTGRES_SETTINGS.items() for word in ("-c", f"{name}={value}")]
    postgres = (
        DockerContainer(images.postgres)
        .with_envs(POSTGRES_USER="rollcall", POSTGRES_PASSWORD=password)
        .with_command(["postgres", *flags])
        .with_exposed_ports(5432)
        .with_kwargs(labels=labels)
    )
    rabbitmq = (
        DockerContainer(images.rabbitmq)
        .with_envs(RABBITMQ_DEFAULT_USER="rollcall", RABBITMQ_DEFAULT_PASS=password)
        .with_exposed_ports(5672, 15672)
        .with_kwargs(labels=labels)
    )
    if psutil.virtual_memory().available >= MEMORY_FOR_DATA_BYTES:
        postgres.with_tmpfs_mount(DATA_IN_MEMORY).with_env("PGDATA", f"{DATA_IN_MEMORY}/postgres")
        rabbitmq.with_tmpfs_mount("/var/lib/rabbitmq")
    with postgres, rabbitmq:
        host = postgres.get_container_host_ip()
        servers = Servers(
            kind=kind,
            postgres_url=f"postgresql://rollcall:{password}@{host}:{postgres.get_exposed_port(5432)}/postgres",
            amqp_url=f"amqp://rollcall:{password}@{host}:{rabbitmq.get_exposed_port(5672)}/",
            management_url=f"http://{host}:{rabbitmq.get_exposed_port(15672)}",
            management_user="rollcall",
            management_password=password,
        )
        _wait_until_ready(servers, postgres)
        yield servers


def _wait_until_ready(servers: Servers, postgres: DockerContainer) -> None:
    allowed = START_SECONDS * patience()
    deadline = time.monotonic() + allowed
    # Over TCP: while the image sets itself up, its first Postgres listens on the socket alone.
    while postgres.exec(["pg_isready", "--host=127.0.0.1"]).exit_code != 0 or not private_servers.broker_is_ready(
        servers.management_url, servers.management_user, servers.management_password, 5672
    ):
        if time.monotonic() > deadline:
            sys.exit(f"the containers were not ready after {allowed:.0f} s")
        time.sleep(0.1)


def _sweep_left_overs() -> None:
    """Remove what keepers that were killed could not."""
    for run in RUNS.glob("*"):
        keeper = run / "keeper.pid"
        if keeper.exists() and not _is_alive(int(keeper.read_text() or 0)):
            for server in ("postgres", "rabbitmq"):
                private_servers.remove(run / server)
            shutil.rmtree(run, ignore_errors=True)
    for container, owner in container_engine.containers_labelled(LABEL).items():
        machine, _, keeper_pid = owner.rpartition("/")
        if machine == socket.gethostname() and not _is_alive(int(keeper_pid)):
            container_engine.remove_container(container)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
