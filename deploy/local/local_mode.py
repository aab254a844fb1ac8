"""Rollcall without a Docker engine: a supervisor in the background that runs everything as processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from deploy import step
from deploy.authentication import VARIABLE
from deploy.checkout import CHECKOUT, ENDPOINTS, LOCAL, LOGS, SAMPLE, Endpoints, read_endpoints
from deploy.local import debian_packages, private_servers
from deploy.local.supervisor import SERVERS, UPLOADS
from deploy.program import last_lines
from tools import virtualenv

PID_FILE = LOCAL / "supervisor.pid"
LOG = LOGS / "supervisor.log"
UP_SECONDS = 180
DOWN_SECONDS = 150
PACKAGES = (
    "api_service",
    "producer_service",
    "consumer_service",
    "shared",
    "migrations",
    "deploy",
    "tools",
    "requirements",
)


def up(consumers: int) -> Endpoints:
    """Start it, or leave it alone when the same code with as many consumers runs and is well."""
    fingerprint = _fingerprint(consumers)
    endpoints = read_endpoints()
    if is_running():
        if endpoints and endpoints.fingerprint == fingerprint and endpoints.all_ready():
            return endpoints
        down()
    try:
        debian_packages.ensure_installed()
    except debian_packages.ServersMissing as missing:
        sys.exit(str(missing))
    python = virtualenv.ensure("local")
    _build_guide(python)
    step.begin("Starting Postgres, RabbitMQ and the services", "a quarter of a minute")
    ENDPOINTS.unlink(missing_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    with LOG.open("ab") as output, PID_FILE.open("w") as pid_file:
        supervisor = subprocess.Popen(
            [python, "-m", "deploy.local.supervisor", str(consumers), fingerprint],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        pid_file.write(str(supervisor.pid))
    return _wait_until_ready(supervisor)


def _build_guide(python: Path) -> None:
    """Everything runs without it, and /guide says how to get it."""
    done = subprocess.run([python, "-m", "tools.guide"], cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        print("The guide was not built, for what is said above; all else goes on.", file=sys.stderr)


def _wait_until_ready(supervisor: subprocess.Popen[bytes]) -> Endpoints:
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        if supervisor.poll() is not None:
            sys.exit(f"The system did not start; the end of {os.path.relpath(LOG)}:\n{last_lines(LOG)}")
        endpoints = read_endpoints()
        if endpoints and endpoints.all_ready():
            return endpoints
        time.sleep(0.2)
    logs = os.path.relpath(LOGS)
    sys.exit(f"The system is not ready after {UP_SECONDS} s; its logs are in {logs}/ (`make down` stops it).")


def is_running() -> bool:
    return _supervisor_pid() is not None


def down() -> None:
    """Stop everything in order; the data stays."""
    pid = _supervisor_pid()
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while _supervisor_pid() is not None:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            sys.exit(f"The supervisor (process {pid}) has not stopped after {DOWN_SECONDS} s; see {LOG}")
        time.sleep(0.1)


def clean() -> None:
    """Stop everything and delete the data: employees, uploads, queues, logs."""
    down()
    for server in ("postgres", "rabbitmq"):
        private_servers.remove(SERVERS / server)
    for folder in (SERVERS, UPLOADS, LOGS):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (ENDPOINTS, PID_FILE, SAMPLE):
        file.unlink(missing_ok=True)


def _supervisor_pid() -> int | None:
    try:
        pid = int(PID_FILE.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    # The number may be another process's by now.
    return pid if b"deploy.local.supervisor" in command else None


def _fingerprint(consumers: int) -> str:
    # What the services are told beside their code.
    digest = hashlib.sha256(f"{consumers} {os.environ.get(VARIABLE, 'off')}".encode())
    for package in PACKAGES:
        for file in sorted((CHECKOUT / package).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(CHECKOUT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
