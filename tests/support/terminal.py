"""A command at a terminal of its own, as somebody sits before it: read what it draws, press keys, change the size."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.support.patience import patience

CTRL_C = b"\x03"
_escape = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


class Terminal:
    """Use it with `with`: in the end the command is gone."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, columns: int = 100) -> None:
        self._ours, theirs = pty.openpty()
        _set_size(theirs, columns)
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"TERM": "xterm-256color", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.drawn = ""

    @property
    def text(self) -> str:
        """What was drawn, without colours and movements of the cursor."""
        return _escape.sub("", self.drawn)

    def until(self, pattern: str, *, seconds: float = 60) -> str:
        """Reads until this is drawn; what has matched. Fails the test when it does not come."""
        deadline = time.monotonic() + seconds * patience()
        while (found := re.search(pattern, self.text)) is None:
            assert self._read(deadline), f"no {pattern!r} in what was drawn:\n{self.text}"
        return found[0]

    def end(self, *, seconds: float = 60) -> int:
        """Reads to the end; the exit status."""
        deadline = time.monotonic() + seconds * patience()
        while self._read(deadline):
            pass
        return self._process.wait(timeout=max(deadline - time.monotonic(), 1))

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def resize(self, columns: int) -> None:
        _set_size(self._ours, columns)
        os.killpg(self._process.pid, signal.SIGWINCH)
        self.drawn = ""

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return False
        try:
            block = os.read(self._ours, 65536)
        except OSError:
            # Nobody has the terminal open any more.
            return False
        self.drawn += block.decode(errors="replace")
        return bool(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


def _set_size(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
