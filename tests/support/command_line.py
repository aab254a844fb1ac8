"""The command, in the test's own process or in one of its own: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
from typing import NamedTuple
from unittest.mock import patch

from rollcall.command import app
from tests.support.processes import ended
from tests.support.servers import CHECKOUT


class Called(NamedTuple):
    code: int
    out: str
    err: str


class _Stream(io.TextIOWrapper):
    """No terminal, as a pipe; what goes to its bytes is there, too."""

    def __init__(self, content: bytes = b"") -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8", write_through=True)

    @property
    def all(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


def call(*arguments: str, stdin: bytes = b"") -> Called:
    out, err = _Stream(), _Stream()
    streams = patch.multiple(sys, argv=["rollcall", *arguments], stdin=_Stream(stdin), stdout=out, stderr=err)
    with streams, contextlib.suppress(BrokenPipeError):
        try:
            app.run()
        except SystemExit as ended:
            return Called(int(ended.code or 0), out.all, err.all)
    raise AssertionError("the command has not ended by itself")


async def call_apart(*arguments: str) -> Called:
    """In a process of its own, beside a service in this one, whose log would be among what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rollcall", *arguments),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "client")])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await ended(process)
    assert process.returncode is not None
    return Called(process.returncode, out.decode(), err.decode())


def commands() -> dict[str, str]:
    """All subcommands, `queue send` for one of a group, with their help."""
    found = {}
    for group, prefix in (
        (app.app, ""),
        *((each.typer_instance, f"{each.name} ") for each in app.app.registered_groups),
    ):
        assert group is not None
        for command in group.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__.replace("_", "-")
            found[prefix + name] = command.callback.__doc__ or ""
    return found
