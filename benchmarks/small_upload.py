"""A hundred rows posted while a million are in progress: how long the small upload takes."""

from __future__ import annotations

import argparse
import asyncio
from typing import Final

from benchmarks.figures import Outcome, at_most, in_turns
from benchmarks.rig import rig
from benchmarks.uploading import get_json, post, until_finished, upload_seconds
from deploy.sample import write_sample
from shared.upload_status import FINAL_STATES
from tests.support.waiting import eventually

SMALL_ROWS: Final = 100
UNDER_WAY: Final = 0.05


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large upload (1000000)")
    parser.add_argument("--rounds", type=int, default=5, help="small uploads, one after the other (5)")


async def measure(options: argparse.Namespace) -> Outcome:
    rows: int = options.rows
    with rig() as here:
        # The small file comes first, or its rows would be duplicates of the large one's.
        large, small = here.folder / "large.csv", here.folder / "small.csv"
        write_sample(large, rows, 0)
        async with here.database() as url, here.services(url) as services:
            api = services.api.url
            upload_id = await post(api, large)

            async def under_way() -> bool:
                upload = await asyncio.to_thread(get_json, api, f"/v1/uploads/{upload_id}")
                assert upload["status"] not in FINAL_STATES, "the large upload is too small"
                return bool(upload["progress"] >= UNDER_WAY)

            turn = 0

            async def small_upload() -> float:
                nonlocal turn
                turn += 1
                small.write_text(_small_file(turn))
                seconds = await upload_seconds(api, small, SMALL_ROWS)
                assert await under_way()
                return seconds

            await eventually(under_way, seconds=120)
            name = f"{SMALL_ROWS} rows behind {rows:,}"
            figures = await in_turns(options.rounds, "s", {name: small_upload})
            finished = await until_finished(api, upload_id)
            assert finished["inserted"] == rows, finished
    [figure] = figures.values()
    return Outcome(
        f"2 consumers, {options.rounds} small uploads during one large one",
        [figure],
        [at_most(f"{figure.name}, the longest", max(figure.samples), 3.0, "s")],
    )


def _small_file(turn: int) -> str:
    lines = (
        f"Small {turn}-{row},Tidewater Labs,+44 20 7946 0018,small.{turn}.{row}@tidewater.example\n"
        for row in range(SMALL_ROWS)
    )
    return "employee_name,company_name,mobile_no,email\n" + "".join(lines)
