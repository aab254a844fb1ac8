"""Rows a second when each row is a message: as users of four task queues would write it, on the same broker and table.

Each with its own defaults, acknowledging after the insert, with a prefetch of 1 where that can be set, and two worker
processes. From the first row sent to the last row in the table; the workers are up before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg

from benchmarks import bench_environment
from benchmarks.figures import Measure, Outcome, at_least, in_turns, ratio
from benchmarks.ingest import BAD_SHARE, ingest_seconds
from benchmarks.rig import Rig, rig
from deploy.program import Program, last_lines, start
from deploy.sample import write_sample
from tests.support import servers as test_servers
from tests.support.servers import CHECKOUT, management
from tests.support.waiting import eventually

PIPELINES: Final = {"celery": "Celery", "dramatiq": "Dramatiq", "taskiq": "Taskiq", "faststream": "FastStream"}
# The broker sees this of two worker processes; Celery's share the main process's connection.
CONSUMERS: Final = {"celery": 1, "dramatiq": 2, "taskiq": 2, "faststream": 2}
START_SECONDS: Final = 60
FINISH_SECONDS: Final = 300


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=20_000, help="rows, a message each (20000)")
    parser.add_argument("--rollcall-rows", type=int, default=1_000_000, help="rows of Rollcall's file (1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")
    parser.add_argument("--pipelines", nargs="+", choices=PIPELINES, default=list(PIPELINES), help="only these")


async def measure(options: argparse.Namespace) -> Outcome:
    rows: int = options.rows
    rollcall_rows: int = options.rollcall_rows
    programs = bench_environment.ensure()
    with rig() as here:
        file, upload = here.folder / "rows.csv", here.folder / "upload.csv"
        write_sample(file, rows, 0)
        write_sample(upload, rollcall_rows, BAD_SHARE)

        def through(pipeline: str) -> Measure:
            async def rows_per_second() -> float:
                return rows / await _seconds(here, programs, pipeline, file, rows)

            return rows_per_second

        async def rollcall() -> float:
            return rollcall_rows / await ingest_seconds(here, upload, rollcall_rows, consumers=2)

        measures = {"Rollcall": rollcall, **{PIPELINES[pipeline]: through(pipeline) for pipeline in options.pipelines}}
        figures = await in_turns(options.rounds, "rows/s", measures)
    ours, *others = figures.values()
    fastest = max(others, key=lambda figure: figure.median)
    return Outcome(
        f"{rows:,} rows, a message each, 2 worker processes; Rollcall with {rollcall_rows:,} rows and "
        f"2 consumers; {options.rounds} rounds in turns",
        list(figures.values()),
        [at_least("Rollcall, times the fastest pipeline", ratio(ours, fastest), 50)],
    )


async def _seconds(rig: Rig, programs: Path, pipeline: str, file: Path, rows: int) -> float:
    vhost = await test_servers.create_vhost(rig.servers)
    async with rig.database() as url:
        environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(CHECKOUT),
            "PIPELINE_AMQP_URL": vhost,
            "PIPELINE_DATABASE_URL": url,
            "PIPELINE_FILE": str(file),
            "dramatiq_queue_prefetch": "1",
        }
        with _worker(programs, pipeline, environment, rig.folder / f"{pipeline}.log"):
            await eventually(lambda: _is_consumed(rig, vhost, CONSUMERS[pipeline]), seconds=START_SECONDS)
            command = [str(programs / "python"), "-m", "benchmarks.pipelines", pipeline]
            sent = await asyncio.to_thread(
                subprocess.run, command, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            seconds = await _until_inserted(url, rows) - float(sent.stdout)
    await test_servers.delete_vhost(rig.servers, vhost)
    return seconds


@contextmanager
def _worker(programs: Path, pipeline: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    module = (Path(__file__).parent / "pipelines" / f"{pipeline}_app.py").read_text()
    found = re.search(r'^WORKER: Final = "(.*)"$', module, re.MULTILINE)
    assert found, pipeline
    program, *arguments = shlex.split(found[1])
    command = [str(programs / program), *arguments]
    worker = start(Program(pipeline, command, environment, is_ready=lambda: True, working_folder=CHECKOUT), log)
    try:
        yield
    except BaseException:
        print(last_lines(log), flush=True)
        raise
    finally:
        worker.stop()


async def _is_consumed(rig: Rig, vhost: str, consumers: int) -> bool:
    async with management(rig.servers) as api:
        queues = (await api.get(f"/api/queues/{vhost.rpartition('/')[2]}")).raise_for_status().json()
    return any(queue.get("consumers", 0) >= consumers for queue in queues)


async def _until_inserted(url: str, rows: int) -> float:
    """When the last row was seen."""
    connection = await asyncpg.connect(url)
    deadline = time.monotonic() + FINISH_SECONDS
    try:
        while await connection.fetchval("SELECT count(*) FROM employees") < rows:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all of {rows} rows came")
            await asyncio.sleep(0.05)
        return time.time()
    finally:
        await connection.close()
