"""A document's commands, and what it says that they print: its `console` blocks are run as one session of bash."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    """`shown` is what the document has below it; `…` stands there for anything."""

    text: str
    shown: str

    def prints(self, output: str) -> bool:
        pattern = ".*".join(re.escape(part) for part in self.shown.split("…"))
        return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def commands_of(document: str) -> list[Command]:
    return [command for block in _BLOCK.findall(document) for command in _commands(block)]


def _commands(block: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        text, _, shown = re.sub(r"\\\n", " ", part).partition("\n")
        yield Command(text, shown.strip())


async def outputs_of(
    commands: list[Command], folder: Path, addresses: Mapping[str, str], *, seconds: float
) -> list[str]:
    """What each prints, run in this folder, with each address of the documents exchanged for a real one."""
    mark = uuid.uuid4().hex
    script = "".join(f"{command.text}\necho {mark}\n" for command in commands)
    for said, real in addresses.items():
        script = script.replace(said, real)
    bash = await asyncio.create_subprocess_exec(
        "bash", "-c", script, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(bash.communicate(), seconds)
    finally:
        if bash.returncode is None:
            bash.kill()
            await bash.wait()
    # Files of tables have the line ends that spreadsheets write.
    return output.decode().replace("\r\n", "\n").split(f"{mark}\n")[: len(commands)]
