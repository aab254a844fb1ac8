"""Finds out if this machine has a Docker engine that answers, and a Compose to drive it with."""

from __future__ import annotations

import re
import shutil
import subprocess


def engine_answers() -> bool:
    return _output(["docker", "version", "--format", "{{.Server.Version}}"]) is not None


def has_compose() -> bool:
    """Compose v2: the first one did not know `--wait`, nor all that our file says."""
    version = _output(["docker", "compose", "version", "--short"])
    return version is not None and re.match(r"v?([2-9]|\d\d)", version) is not None


def containers_labelled(label: str) -> dict[str, str]:
    """Each container's id, running or not, with the value of its label."""
    listing = ["docker", "ps", "--all", "--filter", f"label={label}"]
    lines = (_output([*listing, "--format", f'{{{{.ID}}}} {{{{.Label "{label}"}}}}']) or "").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def remove_container(identifier: str) -> None:
    """Stop it at once and delete it with its anonymous volumes; one that is gone already is no error."""
    _output(["docker", "rm", "--force", "--volumes", identifier])


def log_of(identifier: str) -> str:
    """All that a container has written to both its outputs. Raises CalledProcessError."""
    command = ["docker", "logs", identifier]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, timeout=30)
    return done.stdout.decode(errors="replace")


def _output(command: list[str]) -> str | None:
    if shutil.which("docker") is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
