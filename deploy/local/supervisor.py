"""Runs all of Rollcall as local processes, restarts whichever dies, and stops them in order on SIGTERM.

`python3 -m deploy.local.supervisor CONSUMERS FINGERPRINT`, started in the background by `deploy.local.local_mode`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.checkout import CHECKOUT, LOCAL, LOGS, Endpoints, is_ready
from deploy.local import private_servers
from deploy.local.private_servers import PrivatePostgres, PrivateRabbitMQ, RabbitMQPorts
from deploy.program import Program, ProgramFailed, RunningProgram, free_port, start
from tools import virtualenv

SERVERS = LOCAL / "servers"
UPLOADS = LOCAL / "uploads"
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
STEADY_SECONDS = 60  # a program that ran this long has earned a quick restart


@dataclass
class Supervised:
    """One program that is always to run, with its pauses between attempts while it keeps dying."""

    running: RunningProgram
    pause_seconds: float = FIRST_PAUSE_SECONDS
    restart_at: float | None = None

    def look_after(self, now: float) -> None:
        if not self.running.has_ended():
            return
        name = self.running.program.name
        if self.restart_at is None:
            if now - self.running.started_at > STEADY_SECONDS:
                self.pause_seconds = FIRST_PAUSE_SECONDS
            self.restart_at = now + self.pause_seconds
            say(f"{name} ended with status {self.running.process.returncode}, again in {self.pause_seconds} s")
            self.pause_seconds = min(2 * self.pause_seconds, LONGEST_PAUSE_SECONDS)
        elif now >= self.restart_at:
            self.restart_at = None
            self.running = start(self.running.program, self.running.log)
            say(f"{name} runs again as {self.running.pid}")


class Stopped(BaseException):
    """SIGTERM or SIGINT: not an error, and nothing that catches errors may swallow it."""


def main(consumers: int, fingerprint: str) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal is no reason to stop
    groups: list[list[Supervised]] = []  # started in this order, stopped in the reverse one
    try:
        postgres, rabbitmq = _prepare()
        groups.append(_start_all([postgres.program, rabbitmq.epmd]))
        groups.append(_start_all([rabbitmq.node]))
        for each in groups[0] + groups[1]:
            each.running.wait_until_ready()
        environment = {
            # Its services listen on 127.0.0.1 alone.
            "ROLLCALL_AUTHENTICATION": "off",
            # As in docker-compose.yml: set one of your own before anybody is erased.
            "ROLLCALL_ERASURE_KEY": "rollcall",
            "ROLLCALL_API_MANAGEMENT_URL": rabbitmq.management_url,
            **os.environ,
            "ROLLCALL_DATABASE_URL": postgres.url(),
            "ROLLCALL_AMQP_URL": rabbitmq.amqp_url,
            "ROLLCALL_UPLOAD_STORE_URL": UPLOADS.as_uri(),
        }
        _migrate(environment)
        endpoints = _endpoints(postgres, rabbitmq, consumers, fingerprint)
        groups.append(_start_all(_services(endpoints, environment)))
        endpoints.write()
        while True:
            for group in groups:
                for each in group:
                    each.look_after(time.monotonic())
            time.sleep(0.2)
    except Stopped:
        return 0
    except (ProgramFailed, RuntimeError, OSError) as error:
        say(str(error))
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        for group in reversed(groups):
            _stop_all(group)


def _stop(*_: object) -> None:
    raise Stopped


def _prepare() -> tuple[PrivatePostgres, PrivateRabbitMQ]:
    UPLOADS.mkdir(parents=True, exist_ok=True, mode=0o700)
    ports = RabbitMQPorts(free_port(5672), free_port(15672), free_port(15692), free_port(14369), free_port(25672))
    postgres = private_servers.prepare_postgres(SERVERS / "postgres", free_port(5432), {"max_connections": "200"})
    return postgres, private_servers.prepare_rabbitmq(SERVERS / "rabbitmq", ports)


def _migrate(environment: dict[str, str]) -> None:
    upgrade = [str(virtualenv.PYTHON), "-m", "alembic", "upgrade", "head"]
    done = subprocess.run(upgrade, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the migrations failed:\n{done.stdout}{done.stderr}")


def _endpoints(postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ, consumers: int, fingerprint: str) -> Endpoints:
    taken: list[int] = []
    for wanted in range(8000, 8002 + consumers):
        port = free_port(wanted)
        taken.append(port if port not in taken else free_port())
    api, producer, *others = (f"http://127.0.0.1:{port}" for port in taken)
    return Endpoints(
        mode="local",
        api_url=api,
        producer_url=producer,
        consumer_urls=others,
        management_url=rabbitmq.management_url,
        management_user=private_servers.USER,
        management_password=rabbitmq.password,
        database_url=postgres.url(),
        amqp_url=rabbitmq.amqp_url,
        fingerprint=fingerprint,
        authentication=os.environ.get("ROLLCALL_AUTHENTICATION", "off"),
    )


def _services(endpoints: Endpoints, environment: dict[str, str]) -> list[Program]:
    named = [("api_service", "api_service", endpoints.api_url)]
    named.append(("producer_service", "producer_service", endpoints.producer_url))
    for number, url in enumerate(endpoints.consumer_urls, start=1):
        named.append((f"consumer_service-{number}", "consumer_service", url))
    return [_service(name, package, url, environment) for name, package, url in named]


def _service(name: str, package: str, url: str, environment: dict[str, str]) -> Program:
    serve = ["-m", "uvicorn", f"{package}.app:create_app", "--factory", "--host", "127.0.0.1"]
    bounds = ["--http", "shared.service.bounded_http:BoundedHttp", "--timeout-graceful-shutdown", "20"]
    port = ["--port", url.rpartition(":")[2], "--no-access-log", *bounds]
    return Program(
        name=name,
        command=[str(virtualenv.PYTHON), *serve, *port],
        environment=environment,
        is_ready=lambda: is_ready(url),
        working_folder=CHECKOUT,
    )


def _start_all(programs: Sequence[Program]) -> list[Supervised]:
    return [Supervised(start(program, LOGS / f"{program.name}.log")) for program in programs]


def _stop_all(group: Sequence[Supervised]) -> None:
    for each in group:
        each.running.ask_to_stop()
    for each in group:
        each.running.wait_until_stopped()
        say(f"{each.running.program.name} stopped with status {each.running.process.returncode}")


def say(text: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
