"""Rollcall as `make up` brought it up, and the processor time that it has taken so far."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import docker
import psutil

from deploy import compose_mode, container_engine
from deploy.checkout import CHECKOUT
from deploy.local import local_mode
from deploy.program import free_port

PROJECT_LABEL: Final = "com.docker.compose.project"
LOOPS: Final = 3_000_000
# What so many turns of an empty loop take on the machine that the limit was found on.
REFERENCE_SECONDS: Final = 0.075

# Seconds of a core, by the name of each part of the system.
Usage = Mapping[str, float]


@contextmanager
def running_system(folder: Path) -> Iterator[Callable[[], Usage]]:
    """The one of this checkout where it is up, as it is in CI's smoke test; else one of its own, removed in the end."""
    if _has_compose() and compose_mode.is_running():
        yield _of_containers(_project(os.environ))
    elif local_mode.is_running():
        yield lambda: _of_processes(local_mode.PID_FILE)
    else:
        with _own_system(folder) as usage:
            yield usage


def speed_factor() -> float:
    """How much longer than the reference this machine takes for the same work, at the load that it has now."""
    began = time.process_time()
    for _ in range(LOOPS):
        pass
    return (time.process_time() - began) / REFERENCE_SECONDS


@contextmanager
def _own_system(folder: Path) -> Iterator[Callable[[], Usage]]:
    environment = {
        **os.environ,
        "COMPOSE_PROJECT_NAME": f"rollcall-idle-{os.getpid()}",
        "ROLLCALL_LOCAL_FOLDER": str(folder),
        **{name: str(free_port()) for name in compose_mode.PORTS},
    }
    mode = "compose" if _has_compose() else "local"
    try:
        _run([sys.executable, "-m", "deploy.up", f"--mode={mode}"], environment)
        if mode == "compose":
            yield _of_containers(_project(environment))
        else:
            yield lambda: _of_processes(folder / local_mode.PID_FILE.name)
    finally:
        _run([sys.executable, "-m", "deploy.down", "--drop-data"], environment)


def _of_containers(project: str) -> Callable[[], Usage]:
    engine = docker.from_env()
    containers = engine.containers.list(filters={"label": f"{PROJECT_LABEL}={project}"})
    assert containers, f"no container of the project {project} runs"

    def usage() -> Usage:
        statistics = {each.name: engine.api.stats(each.id, stream=False, one_shot=True) for each in containers}
        # In nanoseconds, with everything that a health check has started in the container.
        return {name: each["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9 for name, each in statistics.items()}

    return usage


def _of_processes(pid_file: Path) -> Usage:
    supervisor = psutil.Process(int(pid_file.read_text()))
    # Those that have ended are among the times of their parents.
    return {f"{each.name()} {each.pid}": sum(each.cpu_times()[:4]) for each in _family(supervisor)}


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _project(environment: Mapping[str, str]) -> str:
    command = ["docker", "compose", "config", "--format", "json"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True, text=True)
    name: str = json.loads(done.stdout)["name"]
    return name


def _has_compose() -> bool:
    return container_engine.engine_answers() and container_engine.has_compose()


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True)
