"""A few rows posted while others are at work: behind one large upload, a redrive, and more large uploads than a
producer takes. How long the small upload takes each time."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, Outcome, at_most, in_turns
from benchmarks.rig import rig
from benchmarks.uploading import get_json, post, send_json, until_finished, upload_seconds
from deploy.sample import write_sample
from shared.upload_status import FINAL_STATES
from tests.support.waiting import eventually

SMALL_ROWS: Final = 10
UNDER_WAY: Final = 0.05
LONGEST_SECONDS: Final = 3.0

StillAtIt = Callable[[], Awaitable[bool]]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each large upload (1000000)")
    parser.add_argument("--letters", type=int, default=40_000, help="dead letters that are redriven (40000)")
    parser.add_argument("--uploads", type=int, default=40, help="large uploads at once (40)")
    parser.add_argument("--rounds", type=int, default=5, help="small uploads, one after the other (5)")


async def measure(options: argparse.Namespace) -> Outcome:
    with rig() as here:
        async with here.database() as url, here.services(url) as services:
            behind = SmallUploads(services.api.url, here.folder, options)
            figures = [await behind.one_upload(), await behind.a_redrive(), await behind.many_uploads()]
    return Outcome(
        f"2 consumers and a producer, {options.rounds} small uploads each time",
        figures,
        [at_most(f"{figure.name}, the longest", max(figure.samples), LONGEST_SECONDS, "s") for figure in figures],
    )


class SmallUploads:
    def __init__(self, api: str, folder: Path, options: argparse.Namespace) -> None:
        self._api = api
        self._small, self._bad, self._large = (folder / f"{name}.csv" for name in ("small", "bad", "large"))
        self._rows: int = options.rows
        self._letters: int = options.letters
        self._uploads: int = options.uploads
        self._rounds: int = options.rounds
        self._turn = 0

    async def one_upload(self) -> Figure:
        write_sample(self._large, self._rows, 0)
        upload_id = await post(self._api, self._large)
        await eventually(lambda: self._is_under_way(upload_id), seconds=120)
        figure = await self._measured(f"behind {self._rows:,} rows", lambda: self._is_unfinished(upload_id))
        finished = await until_finished(self._api, upload_id)
        assert finished["inserted"] == self._rows, finished
        return figure

    async def a_redrive(self) -> Figure:
        self._bad.write_text(_HEADER + "Ada Quist,Tidewater Labs,+44 20 7946 0018,ada at home\n" * self._letters)
        rejected = await until_finished(self._api, await post(self._api, self._bad))
        assert rejected["rejected"] == self._letters, rejected
        order = {"uploadId": rejected["id"]}
        job = await asyncio.to_thread(send_json, self._api, "POST", "/v1/dead-letters/redrive", order)
        path = f"/v1/dead-letters/jobs/{job['id']}"

        async def is_running() -> bool:
            found = await asyncio.to_thread(get_json, self._api, path)
            return bool(found["done"] < found["total"])

        figure = await self._measured(f"behind a redrive of {self._letters:,}", is_running)
        if await is_running():
            await asyncio.to_thread(send_json, self._api, "DELETE", path, None)

        async def has_ended() -> bool:
            return (await asyncio.to_thread(get_json, self._api, path))["finishedAt"] is not None

        await eventually(has_ended, seconds=600)
        return figure

    async def many_uploads(self) -> Figure:
        """The same rows in each: after the first they are duplicates."""
        ids = [await post(self._api, self._large) for _ in range(self._uploads)]

        async def most_wait() -> bool:
            return not any([await self._is_under_way(upload_id) for upload_id in ids[-2:]])

        figure = await self._measured(f"behind {self._uploads} uploads of {self._rows:,}", most_wait)
        for upload_id in ids:
            await asyncio.to_thread(send_json, self._api, "POST", f"/v1/uploads/{upload_id}/cancel", None)
        for upload_id in ids:
            await until_finished(self._api, upload_id)
        return figure

    async def _measured(self, name: str, still_at_it: StillAtIt) -> Figure:
        async def small_upload() -> float:
            self._turn += 1
            self._small.write_text(_small_file(self._turn))
            seconds = await upload_seconds(self._api, self._small, SMALL_ROWS)
            assert await still_at_it(), "there was too little to wait behind"
            return seconds

        figures = await in_turns(self._rounds, "s", {f"{SMALL_ROWS} rows {name}": small_upload})
        [figure] = figures.values()
        return figure

    async def _is_under_way(self, upload_id: str) -> bool:
        upload = await asyncio.to_thread(get_json, self._api, f"/v1/uploads/{upload_id}")
        return bool(upload["progress"] >= UNDER_WAY)

    async def _is_unfinished(self, upload_id: str) -> bool:
        upload = await asyncio.to_thread(get_json, self._api, f"/v1/uploads/{upload_id}")
        return upload["status"] not in FINAL_STATES


_HEADER: Final = "employee_name,company_name,mobile_no,email\n"


def _small_file(turn: int) -> str:
    lines = (
        f"Small {turn}-{row},Tidewater Labs,+44 20 7946 0018,small.{turn}.{row}@tidewater.example\n"
        for row in range(SMALL_ROWS)
    )
    return _HEADER + "".join(lines)
