"""Rows a second of a preview and of the upload that it is of, in turns, each on a database and services of its own.

From the request that begins it to the state that it ends in; 1% of the rows are rejected. Both read a stored draft, so
that neither waits for a body.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Final

from benchmarks.figures import Outcome, at_least, in_turns, ratio
from benchmarks.rig import Rig, rig
from benchmarks.uploading import post, send_json, until_in
from deploy.sample import write_sample
from shared.upload_status import FINAL_STATES

BAD_SHARE: Final = 0.01


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the file (1000000)")
    parser.add_argument("--consumers", type=int, default=2, help="consumer processes (2)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")


async def measure(options: argparse.Namespace) -> Outcome:
    rows: int = options.rows
    with rig() as here:
        file = here.folder / "upload.csv"
        write_sample(file, rows, BAD_SHARE)

        async def preview() -> float:
            return rows / await _seconds(here, file, rows, options.consumers, "preview")

        async def upload() -> float:
            return rows / await _seconds(here, file, rows, options.consumers, "start")

        figures = await in_turns(options.rounds, "rows/s", {"Preview": preview, "Upload": upload})
    previews, uploads = figures.values()
    return Outcome(
        f"{rows:,} rows, {options.consumers} consumers, {BAD_SHARE:.0%} rejected, {options.rounds} rounds in turns",
        [previews, uploads],
        [at_least("Preview, times the upload", ratio(previews, uploads), 1.5)],
    )


async def _seconds(rig: Rig, file: Path, rows: int, consumers: int, what: str) -> float:
    """Raises AssertionError when a row is not accounted for."""
    async with rig.database() as url, rig.services(url, consumers=consumers) as services:
        upload_id = await post(services.api.url, file, start="draft")
        begin = time.perf_counter()
        await asyncio.to_thread(send_json, services.api.url, "POST", f"/v1/uploads/{upload_id}/{what}", None)
        upload = await until_in(services.api.url, upload_id, ("previewed", *FINAL_STATES))
        seconds = time.perf_counter() - begin
    counts = upload["preview"] if what == "preview" else upload
    assert counts["inserted"] + counts["rejected"] == rows, upload
    return seconds
