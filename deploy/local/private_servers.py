"""A Postgres and a RabbitMQ of our own, from Debian's programs, in a folder of our own, on 127.0.0.1 alone.

`prepare_postgres` and `prepare_rabbitmq` make the folder ready and answer with the programs to start; what is
in the folder from an earlier run (data, password) is kept. Neither server runs as root.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local import debian_packages
from deploy.program import Program, as_account, free_port

USER = "rollcall"
# Else Postgres logs the row behind every error (DETAIL: Key (lower(email))=(…)), and the values of a slow statement.
LOG_WITHOUT_ROWS = {
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
}
POSTGRES_SETTINGS = {
    **LOG_WITHOUT_ROWS,
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may have 107 bytes, a checkout's path has no such limit
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",  # a million rows would otherwise force a checkpoint every few seconds
    "checkpoint_timeout": "15min",
    "wal_buffers": "64MB",  # with the next: the log of a COPY is written by its writer, while the session goes on
    "wal_writer_delay": "10ms",
    "password_encryption": "scram-sha-256",
}
RABBITMQ_CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{amqp_port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {prometheus_port}
default_user = {user}
default_pass = {password}
default_vhost = {user}
default_user_tags.administrator = true
loopback_users = none
log.console = true
log.console.level = warning
"""


@dataclass(frozen=True)
class PrivatePostgres:
    program: Program
    port: int
    password: str

    def url(self, database: str = USER) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"


@dataclass(frozen=True)
class RabbitMQPorts:
    amqp: int
    management: int
    prometheus: int
    epmd: int
    distribution: int


@dataclass(frozen=True)
class PrivateRabbitMQ:
    epmd: Program  # the node's name service, which must run before the node and end after it
    node: Program
    ports: RabbitMQPorts
    password: str

    @property
    def programs(self) -> tuple[Program, Program]:
        return self.epmd, self.node

    @property
    def amqp_url(self) -> str:
        return f"amqp://{USER}:{self.password}@127.0.0.1:{self.ports.amqp}/{USER}"

    @property
    def management_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.management}"


def free_rabbitmq_ports() -> RabbitMQPorts:
    return RabbitMQPorts(free_port(), free_port(), free_port(), free_port(), free_port())


def prepare_postgres(folder: Path, port: int, settings: Mapping[str, str] | None = None) -> PrivatePostgres:
    """A cluster under `folder` with the superuser and the database `rollcall`, made on first use."""
    programs = debian_packages.postgres_programs()
    if programs is None:
        raise debian_packages.ServersMissing("PostgreSQL is not installed")
    home = _home(folder, "postgres")
    password = _password(home)
    cluster = home / "cluster"
    environment = _environment(home)
    if not (cluster / "PG_VERSION").exists():
        _initialize_cluster(programs, cluster, home / "password", environment)
    options = {**POSTGRES_SETTINGS, **(settings or {}), "port": str(port)}
    command = [str(programs / "postgres"), "-D", str(cluster)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    probe = [str(programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}", "--timeout=2"]
    program = Program(
        name="postgres",
        command=command,
        environment=environment,
        is_ready=lambda: subprocess.run(probe, env=environment).returncode == 0,
        account="postgres",
        stop_signal=signal.SIGINT,  # "fast": ends the sessions instead of waiting for them
    )
    return PrivatePostgres(program, port, password)


def _initialize_cluster(programs: Path, cluster: Path, password: Path, environment: dict[str, str]) -> None:
    # Under another name first, so that a cluster is complete or not there, whenever this is interrupted.
    unfinished = cluster.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    initdb: list[Path | str] = [
        programs / "initdb",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        f"--username={USER}",
        "--auth=scram-sha-256",
    ]
    _run_as("postgres", [*initdb, f"--pwfile={password}", f"--pgdata={unfinished}"], environment)
    single_user: list[Path | str] = [programs / "postgres", "--single", "-D", unfinished, "postgres"]
    _run_as("postgres", single_user, environment, f"CREATE DATABASE {USER}\n")
    unfinished.rename(cluster)


def prepare_rabbitmq(folder: Path, ports: RabbitMQPorts) -> PrivateRabbitMQ:
    """A node under `folder` with the administrator and the virtual host `rollcall`, made on first use."""
    scripts = debian_packages.rabbitmq_programs()
    epmd = shutil.which("epmd")
    if scripts is None or epmd is None:
        raise debian_packages.ServersMissing("RabbitMQ is not installed")
    home = _home(folder, "rabbitmq")
    password = _password(home)
    environment = {
        **_environment(home),
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"{USER}@localhost",  # the data's folder has this name: it must outlive a new host name
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "none"),  # the system-wide node's settings are not ours
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_LOGS": "-",
        "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the node, instead of a shell that waits for it
    }
    config = RABBITMQ_CONFIG.format(
        amqp_port=ports.amqp,
        management_port=ports.management,
        prometheus_port=ports.prometheus,
        user=USER,
        password=password,
    )
    _write_for("rabbitmq", home / "rabbitmq.conf", config)
    _write_for("rabbitmq", home / "enabled_plugins", "[rabbitmq_management,rabbitmq_prometheus].\n")
    node = Program(
        name="rabbitmq",
        command=[str(scripts / "rabbitmq-server")],
        environment=environment,
        is_ready=lambda: broker_is_ready(f"http://127.0.0.1:{ports.management}", USER, password, ports.amqp),
        account="rabbitmq",
        start_seconds=120,
    )
    epmd_program = Program(
        name="epmd",
        command=[epmd],
        environment=environment,
        is_ready=lambda: subprocess.run([epmd, "-names"], env=environment, capture_output=True).returncode == 0,
        account="rabbitmq",
    )
    return PrivateRabbitMQ(epmd_program, node, ports, password)


def broker_is_ready(management_url: str, user: str, password: str, amqp_port: int) -> bool:
    """True when the broker listens for AMQP; a node that is still starting does not answer at all."""
    request = urllib.request.Request(f"{management_url}/api/health/checks/port-listener/{amqp_port}")
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    request.add_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(json.load(answer)["status"] == "ok")
    except (OSError, ValueError):
        return False


def remove(folder: Path) -> None:
    """Delete what the servers kept for `folder`, wherever that lies."""
    for place in (folder, _place_for_all(folder)):
        shutil.rmtree(place, ignore_errors=True)


def _home(folder: Path, account: str) -> Path:
    """`folder`, or a place that every user can enter when we are root and `account` cannot enter the checkout."""
    if os.geteuid() != 0:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder
    elsewhere = _place_for_all(folder)
    if not elsewhere.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, account, account)
        folder.chmod(0o700)
        if subprocess.run([*as_account(account), "test", "-w", str(folder)]).returncode == 0:
            return folder
        elsewhere.mkdir()
        shutil.chown(elsewhere, account, account)
        elsewhere.chmod(0o700)
    if elsewhere.owner() != account:
        raise PermissionError(f"{elsewhere} belongs to {elsewhere.owner()}, and should to {account}")
    return elsewhere


def _place_for_all(folder: Path) -> Path:
    return Path("/var/tmp") / f"rollcall-{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]}"


def _password(home: Path) -> str:
    file = home / "password"
    if not file.exists():
        _write_for(home.owner(), file, secrets.token_hex(16))
    return file.read_text().strip()


def _write_for(account: str, file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)
    if os.geteuid() == 0:
        shutil.chown(file, account, account)


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}


def _run_as(account: str, command: list[Path | str], environment: dict[str, str], given: str = "") -> None:
    words = [*as_account(account), *map(str, command)]
    done = subprocess.run(words, env=environment, input=given, capture_output=True, text=True, cwd="/")
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
