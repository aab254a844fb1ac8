"""One long-running program: how it is started, known to be ready, and stopped."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Protocol

_LOWEST_PORT: Final = 10_000
_USUAL_FIRST_OUTGOING_PORT: Final = 32_768
_given_ports: set[int] = set()


class ProgramFailed(Exception):
    """It ended or did not become ready in time; the message has the last lines of its log."""


@dataclass(frozen=True)
class Program:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    working_folder: Path = Path("/")
    account: str | None = None  # the user it runs as, when we are root
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = 60
    stop_seconds: float = 30


class Process(Protocol):
    """What is needed of a `subprocess.Popen`, or of a process that was made in another way."""

    pid: int

    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int | None: ...
    def send_signal(self, number: int) -> None: ...
    def kill(self) -> None: ...


@dataclass
class RunningProgram:
    program: Program
    process: Process
    log: Path
    started_at: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.process.pid

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def wait_until_ready(self) -> None:
        """Raises ProgramFailed when it ends, or is not ready within its `start_seconds`."""
        deadline = time.monotonic() + self.program.start_seconds
        while not self.program.is_ready():
            if self.has_ended():
                raise ProgramFailed(self._explain(f"ended with status {self.process.returncode}"))
            if time.monotonic() > deadline:
                raise ProgramFailed(self._explain(f"was not ready after {self.program.start_seconds:.0f} s"))
            time.sleep(0.1)

    def ask_to_stop(self) -> None:
        if not self.has_ended():
            self.process.send_signal(self.program.stop_signal)

    def wait_until_stopped(self) -> None:
        """Kills it, and what it started, when it outstays its `stop_seconds`."""
        try:
            self.process.wait(self.program.stop_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        self.ask_to_stop()
        self.wait_until_stopped()

    def _explain(self, what: str) -> str:
        return f"{self.program.name} {what}; the end of {self.log}:\n{last_lines(self.log)}"


def start(program: Program, log: Path) -> RunningProgram:
    """Start it in a session of its own (a Ctrl-C here is not its), its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*_tied_to_this_process(program), *program.command],
            env=dict(program.environment),
            cwd=program.working_folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return RunningProgram(program, process, log)


def as_account(account: str | None) -> list[str]:
    """The command prefix that drops root for `account`."""
    if account is None or os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups"]


def _tied_to_this_process(program: Program) -> list[str]:
    # The kernel stops it when we are killed: no orphan holds a port or a data folder for ever.
    prefix = as_account(program.account) or ["setpriv"]
    return [*prefix, f"--pdeathsig={program.stop_signal.name.removeprefix('SIG')}"]


def last_lines(log: Path, count: int = 20) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "(nothing)"
    return "\n".join(lines[-count:])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(wanted: int = 0) -> int:
    """`wanted` if nothing listens there, else one of which the kernel makes no outgoing connection.

    So it is still free when a program binds it later, and when it binds it once more after it was killed. And it is
    given to nobody else for as long as this process runs: its program may not listen on it yet.
    """
    if wanted and is_free(wanted):
        return wanted
    ports = _shuffled(range(_LOWEST_PORT, _first_outgoing_port()))
    return next(port for port in ports if is_free(port) and _reserve(port))


def _reserve(port: int) -> bool:
    """False if this process, or another of this user that still runs, was given it before."""
    if port in _given_ports:
        return False
    file = _reservations()
    try:
        if file is not None:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    _given_ports.add(port)
    return True


@cache
def _reservations() -> int | None:
    """A file without content, in which each port that was given is a byte that is locked; the kernel ends the lock."""
    name = Path(tempfile.gettempdir()) / f"rollcall-ports-{os.geteuid()}"
    try:
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:  # two processes are then as likely to find the same port as any two programs
        return None


def _shuffled(ports: range) -> list[int]:
    """Two processes that look at the same time find different ones."""
    return random.sample(ports, len(ports))


def _first_outgoing_port() -> int:
    try:
        said = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return _USUAL_FIRST_OUTGOING_PORT
    # Where all ports may be outgoing, none is safe; then any will do.
    return said if said > _LOWEST_PORT else _USUAL_FIRST_OUTGOING_PORT
