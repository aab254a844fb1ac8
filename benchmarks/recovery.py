"""Seconds from a consumer's `kill -9` in the middle of a chunk to the moment that another consumer begins with it.

The failpoints stop a process where it is: the first consumer within its transaction, the second when the chunk has
come to it. A stopped process can be seen in /proc within a millisecond, and killed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Final

from api_service.settings import ApiSettings
from benchmarks.figures import Outcome, at_most, in_turns
from benchmarks.rig import Rig, rig
from benchmarks.uploading import post
from deploy.sample import write_sample
from tests.support.failpoint_settings import CONSUMER
from tests.support.services import Service

# As many as a chunk has.
ROWS: Final[int] = ApiSettings.model_fields["chunk_rows"].default
STOP_SECONDS: Final = 60


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5, help="how many consumers are killed (5)")


async def measure(options: argparse.Namespace) -> Outcome:
    with rig() as here:
        file = here.folder / "upload.csv"
        write_sample(file, ROWS, 0)

        async def taken_up() -> float:
            return await _taken_up_seconds(here, file)

        figures = await in_turns(options.rounds, "s", {"from kill -9 to its chunk at another consumer": taken_up})
    [figure] = figures.values()
    return Outcome(
        f"one chunk of {ROWS:,} rows, {options.rounds} kills",
        [figure],
        [at_most(f"{figure.name}, the longest", max(figure.samples), 1.0, "s")],
    )


async def _taken_up_seconds(rig: Rig, file: Path) -> float:
    async with rig.database() as url, rig.services(url, consumers=0) as services:
        doomed = await services.start("consumer_service", _stopping("consumer.inside_transaction"))
        await post(services.api.url, file)
        await _until_stopped(doomed)
        heir = await services.start("consumer_service", _stopping("consumer.before_transaction"))
        begin = time.perf_counter()
        doomed.kill()
        await _until_stopped(heir)
        return time.perf_counter() - begin


def _stopping(place: str) -> dict[str, str]:
    return {CONSUMER: json.dumps({place: {"action": "stop"}})}


async def _until_stopped(service: Service) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while not _is_stopped(service.pid):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{service.name} was given no chunk")
        await asyncio.sleep(0.001)


def _is_stopped(pid: int) -> bool:
    # The state follows the name, which is in brackets.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
