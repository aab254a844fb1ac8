"""Rollcall on a Docker engine: docker-compose.yml, with other ports where the usual ones are taken."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

from deploy import authentication, step
from deploy.checkout import CHECKOUT, ENDPOINTS, Endpoints
from deploy.program import free_port

WAIT_SECONDS = 300
PORTS = {
    "ROLLCALL_API_PORT": ("api_service", 8000),
    "ROLLCALL_PRODUCER_PORT": ("producer_service", 8001),
    "ROLLCALL_MANAGEMENT_PORT": ("rabbitmq", 15672),
}


def up(consumers: int | None) -> Endpoints:
    """Build what changed, start what is missing, and wait until all of it is healthy.

    With `consumers` None there are as many as a plain `docker compose up` brings up.
    """
    environment = {**os.environ, **_ports()}
    step.begin("Building the images", "a minute or two the first time, then seconds")
    if not _compose_step(["build"], environment):
        sys.exit("The images could not be built: Docker's own words are above.")
    step.begin("Starting Postgres, RabbitMQ and the services", "half a minute; the first time their images come before")
    command = ["up", "--detach", "--wait", f"--wait-timeout={WAIT_SECONDS}", "--remove-orphans"]
    if consumers is not None:
        command.append(f"--scale=consumer_service={consumers}")
    if not _compose_step(command, environment):
        _explain_what_is_unwell(environment)
    address = "http://127.0.0.1:"
    endpoints = Endpoints(
        mode="compose",
        api_url=address + environment["ROLLCALL_API_PORT"],
        producer_url=address + environment["ROLLCALL_PRODUCER_PORT"],
        management_url=address + environment["ROLLCALL_MANAGEMENT_PORT"],
        management_user="rollcall",
        management_password=os.environ.get("RABBITMQ_PASSWORD", "rollcall"),
    )
    endpoints = authentication.as_it_is(endpoints)
    endpoints.write()
    return endpoints


def _explain_what_is_unwell(environment: dict[str, str]) -> NoReturn:
    _compose(["ps", "--all"], environment)
    if unwell := _unwell():
        _compose(["logs", "--no-color", "--tail=15", *unwell], environment)
    sys.exit(f"Not all became healthy ({', '.join(unwell) or 'see above'}): Compose's own words are above.")


def is_running() -> bool:
    listing = subprocess.run(
        ["docker", "compose", "ps", "--all", "--quiet"], cwd=CHECKOUT, capture_output=True, text=True
    )
    return bool(listing.stdout.strip())


def down(*, drop_data: bool = False) -> None:
    """Remove the containers; the volumes with the data stay unless `drop_data`."""
    command = ["down", "--remove-orphans", *(["--volumes", "--rmi=local"] if drop_data else [])]
    if _compose(command, {**os.environ}).returncode != 0:
        sys.exit("`docker compose down` failed: its own words are above.")
    if drop_data:
        ENDPOINTS.unlink(missing_ok=True)


def _ports() -> dict[str, str]:
    """The ports given by the environment, else the ones that our containers have, else usual or free ones."""
    return {
        variable: os.environ.get(variable) or _published(service, usual) or str(free_port(usual))
        for variable, (service, usual) in PORTS.items()
    }


def _unwell() -> list[str]:
    """The services of which a container has failed, or is not healthy."""
    command = ["docker", "compose", "ps", "--all", "--format", "{{.Service}}/{{.State}}/{{.Health}}/{{.ExitCode}}"]
    listing = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True).stdout.split()
    states = [line.split("/") for line in listing]
    return sorted(
        {
            service
            for service, state, health, exit_code in states
            if (state == "exited" and exit_code != "0") or (state != "exited" and health in ("unhealthy", "starting"))
        }
    )


def _published(service: str, port: int) -> str | None:
    command = ["docker", "compose", "port", service, str(port)]
    answer = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    return answer.stdout.strip().rpartition(":")[2] or None


def _compose_step(words: list[str], environment: dict[str, str]) -> bool:
    """True when it succeeded. On a terminal Compose draws its progress; elsewhere it has a say only when it fails."""
    if sys.stderr.isatty():
        return _compose(words, environment).returncode == 0
    command = ["docker", "compose", *words]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace"))
    return done.returncode == 0


def _compose(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    # The output of Compose is not our result: `make demo | less` shows ours.
    command = ["docker", "compose", *words]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)
