"""Debian's PostgreSQL and RabbitMQ: where their programs are, and how they get onto this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy import step

INSTALL_SCRIPT = Path(__file__).with_name("install-servers.sh")
OLDEST_POSTGRES = 15


class ServersMissing(Exception):
    """The servers are not installed and may not be: the message names the one command that installs them."""


def postgres_programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs (initdb, postgres, pg_isready)."""
    versions = {
        int(folder.name): folder / "bin"
        for folder in Path("/usr/lib/postgresql").glob("*")
        if folder.name.isdecimal() and (folder / "bin" / "initdb").exists()
    }
    newest = max(versions, default=0)
    return versions[newest] if newest >= OLDEST_POSTGRES else None


def rabbitmq_programs() -> Path | None:
    """The folder of RabbitMQ's own scripts: Debian's wrappers in the PATH serve its system-wide node alone."""
    for folder in sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"), key=_version, reverse=True):
        if (folder / "sbin" / "rabbitmq-server").exists():
            return folder / "sbin"
    return None


def _version(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.name)]


def ensure_installed() -> None:
    """Install what is missing, as root or through a sudo that asks no password; else raise ServersMissing."""
    if postgres_programs() and rabbitmq_programs():
        return
    if shutil.which("apt-get") is None:
        raise ServersMissing(
            "There is no Docker engine that answers, and no apt-get to install PostgreSQL and RabbitMQ with.\n"
            "Start Docker (`docker info` must work, with Compose v2), or use Debian or Ubuntu."
        )
    command = ["sh", str(INSTALL_SCRIPT)]
    if os.geteuid() != 0:
        if not _sudo_needs_no_password():
            raise ServersMissing(
                "PostgreSQL and RabbitMQ are not installed. One command does it, without starting either:\n"
                f"    sudo sh {os.path.relpath(INSTALL_SCRIPT)}\n"
                "(A Docker engine that answers to you, with Compose v2, would do as well.)"
            )
        command = ["sudo", "-n", *command]
    step.begin("Installing Debian's postgresql and rabbitmq-server", "about a minute")
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
        raise ServersMissing(
            f"apt-get could not install PostgreSQL and RabbitMQ: its own words are above (`{' '.join(command)}`)."
        )
    if not (postgres_programs() and rabbitmq_programs()):
        raise ServersMissing(
            f"apt-get installed no PostgreSQL {OLDEST_POSTGRES} or newer with a RabbitMQ: "
            "this release of the system is too old. Start Docker and use that instead."
        )


def _sudo_needs_no_password() -> bool:
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
