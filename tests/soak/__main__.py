"""`make soak MINUTES=n`: uploads go on and on while faults strike everything, and each row is held to the reference.

`python -m tests.soak --minutes n [--seed s] [--servers containers|next|private]`. A seed gives the same files and
the same order of faults again; their moments are as the machine has them. The status is 1 when anything differs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import asyncpg

from deploy.checkout import is_ready
from shared.amqp.topology import (
    BULK_REQUESTS_QUEUE,
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_QUEUE,
    REQUESTS_QUEUE,
    UPLOADS_QUEUE,
)
from tests.soak import faults
from tests.soak.faults import Fault
from tests.soak.letters import Letters
from tests.soak.stage import Stage, open_stage
from tests.soak.uploads import Uploads
from tests.soak.verdict import Verdict
from tests.support.broker import open_broker
from tests.support.server_kinds import KINDS, chosen_kind
from tests.support.waiting import eventually

LINES: Final = 4
LINE_SECONDS: Final = 5
CALM_SECONDS: Final = (1.0, 5.0)
DRAIN_SECONDS: Final = 60


async def main(minutes: float, seed: int, servers: str, folder: Path) -> Verdict:
    verdict = Verdict()
    async with open_stage(servers, folder) as stage:
        letters = Letters(stage.amqp_url)
        uploads = Uploads(stage, letters, verdict, folder)
        begin = time.monotonic()
        tasks = [asyncio.create_task(letters.collect()), asyncio.create_task(_watch(verdict, uploads, begin))]
        until = asyncio.get_running_loop().time() + minutes * 60
        try:
            await asyncio.gather(
                *(uploads.run_line(number, random.Random(f"{seed} line {number}"), until) for number in range(LINES)),
                _strike(stage, verdict, faults.OF_SERVICES, random.Random(f"{seed} services"), until),
                _strike(stage, verdict, faults.OF_SERVERS, random.Random(f"{seed} servers"), until),
            )
            print(f"all uploads ended after {time.monotonic() - begin:.0f} s; checking everything again", flush=True)
            await uploads.check_again()
            verdict.differs("in the end", await _left_behind(stage))
            verdict.differs("log of Postgres", _quoted_rows(stage))
            verdict.differs("late", letters.late_differences)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return verdict


async def _strike(
    stage: Stage, verdict: Verdict, kinds: Mapping[str, Fault], chance: random.Random, until: float
) -> None:
    """One fault after another; each kind once before any comes again."""
    clock = asyncio.get_running_loop().time
    bag: list[str] = []
    while True:
        await asyncio.sleep(chance.uniform(*CALM_SECONDS))
        if clock() >= until:
            return
        bag = bag or chance.sample(sorted(kinds), len(kinds))
        kind = bag.pop()
        verdict.struck(kind)
        print(f"        {kind}", flush=True)
        await kinds[kind](stage, chance)


async def _watch(verdict: Verdict, uploads: Uploads, begin: float) -> None:
    while True:
        await asyncio.sleep(LINE_SECONDS)
        print(verdict.summary(time.monotonic() - begin, uploads.under_way), flush=True)


async def _left_behind(stage: Stage) -> list[str]:
    """Services that are not ready, messages in the queues, leases and markers, now that there is nothing left to do."""
    found: list[str] = []

    async def nothing() -> bool:
        left: dict[str, int] = {}
        for service in stage.services.all:
            left[service.name] = not await asyncio.to_thread(is_ready, service.url)
        async with open_broker(stage.amqp_url) as broker:
            for queue in (REQUESTS_QUEUE, BULK_REQUESTS_QUEUE, UPLOADS_QUEUE, DEAD_CHUNKS_QUEUE, DEAD_LETTERS_QUEUE):
                left[queue] = (await broker.state(queue)).ready
        database = await asyncpg.connect(stage.postgres.url)
        for table in ("upload_leases", "row_markers", "named_emails"):
            left[table] = await database.fetchval(f"SELECT count(*) FROM {table}")
        await database.close()
        found[:] = [f"left or not ready: {name} ({count})" for name, count in left.items() if count]
        return not found

    with contextlib.suppress(AssertionError):
        await eventually(nothing, seconds=DRAIN_SECONDS)
    return found


def _quoted_rows(stage: Stage) -> list[str]:
    """Postgres quotes rows in the details and the context of its errors. What it says is not repeated here."""
    lines = stage.postgres.log().splitlines()
    quoting = sum(sign in line for line in lines for sign in (" DETAIL: ", " CONTEXT: "))
    return [f"{quoting} lines may hold rows"] if quoting else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--servers", choices=KINDS, default=chosen_kind())
    return parser.parse_args()


if __name__ == "__main__":
    for library in ("aio_pika", "aiormq"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # of what happens to our own connection
    warnings.filterwarnings("ignore", "coroutine 'Connection.close'")
    arguments = _arguments()
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes, {arguments.servers}", flush=True)
    place = Path(tempfile.mkdtemp(prefix="rollcall-soak-"))
    outcome = asyncio.run(main(arguments.minutes, arguments.seed, arguments.servers, place))
    print(outcome.report(arguments.minutes))
    if outcome.differences:
        sys.exit(f"the logs are in {place}")
    shutil.rmtree(place)
