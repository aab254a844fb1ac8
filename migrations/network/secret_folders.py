"""What each service of the network overlay needs to know, as files of folders that are mounted into that service alone.

Passwords are random, and known to two: whoever asks for them and whoever brings them. The message key is known to
the three that sign.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from migrations.broker.definitions import definitions, user_of
from migrations.network.certificates import Certificate, issue
from migrations.roles.privileges import SERVICES
from migrations.roles.roles import role_of

# Where each service finds its folder.
MOUNTED_AT: Final = "/run/rollcall"
# As the Dockerfile has it. Postgres and RabbitMQ begin as root and take their files over themselves.
OUR_USER: Final = 10001
OWNERS: Final = {
    "owner": OUR_USER,
    "api": OUR_USER,
    "producer": OUR_USER,
    "consumer": OUR_USER,
    "postgres": 0,
    "rabbitmq": 0,
}
# Who has the erasure key.
ERASING: Final = ("api", "consumer")
VHOST: Final = "rollcall"
DATABASE: Final = "rollcall"
# Written last: what came before it may be unfinished, and nobody has used it.
MARKER: Final = "complete"

Folders = dict[str, dict[str, str]]


def fill(root: Path, host_names: Iterable[str], *, own: Certificate | None = None, erasure_key: str = "") -> list[str]:
    """Make what is missing; returns what was done, in words. What is there stays, but for what is given."""
    done = []
    if not (root / "owner" / MARKER).exists():
        _write(root, _everything(list(host_names)))
        _write(root, {"owner": {MARKER: ""}})
        done.append("passwords, keys and certificates were made")
    if own is not None:
        _write(root, {"api": {"server.pem": own.certificate, "server.key": own.key}})
        done.append("the API has the certificate that was given")
    if erasure_key:
        _write(root, {service: {"erasure_key": erasure_key} for service in ERASING})
        done.append("the API and the consumers have the erasure key that was given")
    return done


def renew_certificates(root: Path, host_names: Iterable[str]) -> None:
    """All of them, with a new authority; servers and services have to be restarted."""
    _write(root, _certificates(list(host_names)))


def _everything(host_names: list[str]) -> Folders:
    owners = _password()
    roles = {service: _password() for service in SERVICES}
    users = {service: _password() for service in SERVICES}
    message_key = secrets.token_hex(32)
    erasure_key = secrets.token_hex(32)
    folders = _certificates(host_names)
    folders["postgres"]["password"] = owners
    folders["rabbitmq"]["definitions.json"] = json.dumps(definitions(VHOST, users))
    folders["owner"]["database_url"] = _database_url(DATABASE, owners)
    for service in SERVICES:
        folders["owner"][f"{service}_role_password"] = roles[service]
        folders[service]["database_url"] = _database_url(role_of(service), roles[service])
        folders[service]["amqp_url"] = (
            f"amqps://{user_of(service)}:{users[service]}@rabbitmq:5671/{VHOST}?cafile={MOUNTED_AT}/ca.pem"
        )
        folders[service]["message_key"] = message_key
    for service in ERASING:
        folders[service]["erasure_key"] = erasure_key
    return folders


def _certificates(host_names: list[str]) -> Folders:
    issued = issue({"postgres": ["postgres"], "rabbitmq": ["rabbitmq"], "api": [*host_names, "api_service"]})
    folders: Folders = {name: {"ca.pem": issued.authority} for name in OWNERS}
    for name, certificate in issued.certificates.items():
        folders[name]["server.pem"] = certificate.certificate
        folders[name]["server.key"] = certificate.key
    return folders


def _database_url(user: str, password: str) -> str:
    return f"postgresql://{user}:{password}@postgres:5432/{DATABASE}?sslmode=verify-full"


def _password() -> str:
    return secrets.token_hex(24)


def _write(root: Path, folders: Folders) -> None:
    """Each whole or not at all, readable by its owner alone."""
    is_root = os.geteuid() == 0
    for name, files in folders.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        if is_root:
            os.chown(folder, OWNERS[name], OWNERS[name])
        folder.chmod(0o700)
        for file, text in files.items():
            unfinished = folder / f".{file}"
            unfinished.unlink(missing_ok=True)
            unfinished.touch(mode=0o600)
            unfinished.write_text(text, encoding="utf-8")
            unfinished.chmod(0o400)
            if is_root:
                os.chown(unfinished, OWNERS[name], OWNERS[name])
            unfinished.rename(folder / file)
