"""Rows a second through the whole system, beside `psql \\copy` of as many rows into the same schema on the same server.

From the first byte of the POST to the upload's final state: fsync on, quorum queue, confirms, prefetch 1, 1% of the
rows rejected.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from benchmarks.copying import copy_seconds, split_in_two
from benchmarks.figures import Outcome, at_least, in_turns, ratio
from benchmarks.rig import Rig, rig
from benchmarks.uploading import upload_seconds
from deploy.sample import write_sample

BAD_SHARE: Final = 0.01


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the uploaded file (1000000)")
    parser.add_argument("--consumers", type=int, default=2, help="consumer processes (2)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="a setting of the services"
    )


async def measure(options: argparse.Namespace) -> Outcome:
    rows: int = options.rows
    with rig(dict(each.split("=", 1) for each in options.settings)) as here:
        upload, clean = here.folder / "upload.csv", here.folder / "clean.csv"
        write_sample(upload, rows, BAD_SHARE)
        write_sample(clean, rows, 0)
        halves = split_in_two(clean, rows)

        async def one_copy() -> float:
            return rows / await copy_seconds(here, [clean])

        async def two_copies() -> float:
            return rows / await copy_seconds(here, halves)

        async def rollcall() -> float:
            return rows / await ingest_seconds(here, upload, rows, options.consumers)

        figures = await in_turns(
            options.rounds,
            "rows/s",
            {"COPY, one connection": one_copy, "COPY, two connections": two_copies, "Rollcall": rollcall},
        )
    one, two, ours = figures.values()
    return Outcome(
        f"{rows:,} rows, {options.consumers} consumers, {BAD_SHARE:.0%} rejected, {options.rounds} rounds in turns",
        [one, two, ours],
        [
            at_least("Rollcall, times COPY on one connection", ratio(ours, one), 1.0),
            at_least("Rollcall, times COPY on two connections", ratio(ours, two), 0.85),
        ],
    )


async def ingest_seconds(rig: Rig, file: Path, rows: int, consumers: int) -> float:
    """On a database and services of its own."""
    async with rig.database() as url, rig.services(url, consumers=consumers) as services:
        return await upload_seconds(services.api.url, file, rows)
