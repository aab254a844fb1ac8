"""The whole of Rollcall on three brokers, from docker-compose.cluster.yml, under a project name of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from deploy.program import free_port
from tests.support.failpoint_settings import slow_consumer
from tests.support.servers import CHECKOUT

NODES: Final = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")
WAIT_SECONDS: Final = 300
GONE_AFTER_SECONDS: Final = 10


class Cluster:
    """`database_url` and `amqp_url` (the first node's) are the test's own way in, which operators do not have."""

    def __init__(self, folder: Path, *, consumers: int, chunk_seconds: float, chunk_rows: int) -> None:
        database, amqp, api, producer, management = (free_port() for _ in range(5))
        self.api_url = f"http://127.0.0.1:{api}"
        self.management_url = f"http://127.0.0.1:{management}"
        self.database_url = f"postgresql://rollcall:rollcall@127.0.0.1:{database}/rollcall"
        self.amqp_url = f"amqp://rollcall:rollcall@127.0.0.1:{amqp}/rollcall"
        self._services: dict[str, dict[str, Any]] = {
            "postgres": {"ports": [f"127.0.0.1:{database}:5432"]},
            "rabbitmq": {"ports": [f"127.0.0.1:{amqp}:5672"]},
            "api_service": {"environment": {"ROLLCALL_API_CHUNK_ROWS": str(chunk_rows)}},
            "consumer_service": {"environment": slow_consumer(chunk_seconds)},
        }
        self._for_tests = folder / "for-tests.yml"
        self._write_services()
        files = [CHECKOUT / "docker-compose.yml", CHECKOUT / "docker-compose.cluster.yml", self._for_tests]
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": f"rollcall-cluster-{os.getpid()}",
            "ROLLCALL_CONSUMERS": str(consumers),
            "COMPOSE_FILE": os.pathsep.join(map(str, files)),
            "ROLLCALL_API_PORT": str(api),
            "ROLLCALL_PRODUCER_PORT": str(producer),
            "ROLLCALL_MANAGEMENT_PORT": str(management),
        }

    async def stop(self, node: str) -> None:
        """In good order."""
        await asyncio.to_thread(self.compose, "stop", node)

    async def kill(self, node: str) -> None:
        await asyncio.to_thread(self.compose, "kill", node)

    async def start(self, node: str) -> None:
        """Returns when it has joined the others."""
        await asyncio.to_thread(self.compose, "up", "--detach", "--no-deps", "--no-recreate", "--wait", node)

    async def hurry_consumers(self) -> None:
        """Put others in their place that take no time over their chunks; returns when they are healthy."""
        self._services["consumer_service"]["environment"] = {}
        self._write_services()
        await asyncio.to_thread(self.compose, "up", "--detach", "--no-deps", "--wait", "consumer_service")

    def _write_services(self) -> None:
        # JSON is YAML.
        self._for_tests.write_text(json.dumps({"services": self._services}))

    def compose(self, *words: str) -> str:
        """The output of `docker compose`. Raises RuntimeError with all of its output when it fails."""
        command = ["docker", "compose", *words]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self._environment, capture_output=True, text=True, timeout=2 * WAIT_SECONDS
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
        return done.stdout


@contextmanager
def running_cluster(folder: Path, *, consumers: int, chunk_seconds: float, chunk_rows: int) -> Iterator[Cluster]:
    """Built, up and healthy; in the end nothing of it is left."""
    cluster = Cluster(folder, consumers=consumers, chunk_seconds=chunk_seconds, chunk_rows=chunk_rows)
    try:
        cluster.compose("up", "--build", "--detach", "--wait", f"--wait-timeout={WAIT_SECONDS}")
        yield cluster
    finally:
        (folder / "compose.log").write_text(cluster.compose("logs", "--no-color"))
        down = ["down", "--volumes", "--remove-orphans", "--rmi=local", f"--timeout={GONE_AFTER_SECONDS}"]
        cluster.compose(*down)
