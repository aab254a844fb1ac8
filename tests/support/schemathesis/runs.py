"""Runs Schemathesis against a service, as a process of its own: it makes requests of the service's description."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.keys import bearer
from tests.support.plain_http import plain_client
from tests.support.servers import CHECKOUT

CONFIGURATION: Final = Path(__file__).with_name("schemathesis.toml")
PROGRAM: Final = Path(sys.executable).with_name("schemathesis")

# By name, as `schemathesis.toml` binds them to parameters.
Values = Mapping[str, Sequence[str | int]]


@dataclass(frozen=True)
class Target:
    """A service, and a key for each scope."""

    url: str
    keys: Mapping[str, str]
    values: Values


async def findings(target: Target, scope: str, folder: Path, *, phases: str, examples: int) -> str:
    """What Schemathesis says when it comes with the key for that scope, or as `nobody`; empty if it found nothing."""
    name = f"{target.url.rpartition(':')[2]}-{scope.replace(':', '-').replace('*', 'all')}"
    configuration = folder / f"{name}.toml"
    configuration.write_text(CONFIGURATION.read_text() + _dictionaries(target.values))
    admin = bearer(target.keys["admin"])
    async with plain_client(target.url, headers=admin) as client:
        description = (await client.get("/openapi.json")).raise_for_status().content
    (folder / f"{name}.json").write_bytes(description)
    command = [str(PROGRAM), "--config-file", str(configuration), "run", str(folder / f"{name}.json")]
    command += ["--url", target.url, "--checks", "all", "--no-color", *_seeded()]
    command += ["--phases", phases, "--max-examples", str(examples)]
    if scope in target.keys:
        command += ["--header", f"Authorization: Bearer {target.keys[scope]}"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/client",
            "ROLLCALL_TEST_SCOPE": scope,
            "ROLLCALL_TEST_KEYS": json.dumps(target.keys),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
    (folder / f"{name}.txt").write_text(said)
    return "" if process.returncode == 0 else f"As {scope} at {target.url}:\n{said}"


def _seeded() -> list[str]:
    """The same requests each time, unless `ROLLCALL_TEST_SEED` asks for others."""
    seed = os.environ.get("ROLLCALL_TEST_SEED")
    return ["--generation-deterministic"] if seed is None else ["--seed", seed]


def _dictionaries(values: Values) -> str:
    return "".join(f"\n[dictionaries.{name}]\nvalues = {json.dumps(list(each))}\n" for name, each in values.items())
