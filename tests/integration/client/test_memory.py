"""A gigabyte that is sent and ten million employees that are listed take no more memory than a part of them does."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

import rollcall
from tests.support.processes import ended
from tests.support.scripted_http import EMPLOYEE, Answer, Seen, scripted
from tests.support.servers import CHECKOUT

MIB: Final = 1024 * 1024
A_PAGE: Final = 1000
# The peak of this process alone: what `getrusage` says begins with that of the process that it was forked from.
MEASURED: Final = """
import atexit, re, sys
from rollcall.__main__ import main
atexit.register(lambda: print(re.search(r"VmHWM:.*", open("/proc/self/status").read())[0], file=sys.stderr))
main()
"""


def service(pages: int) -> Callable[[Seen], Answer]:
    """It refuses each upload when it has come whole, and has so many pages of employees."""

    def answer(request: Seen) -> Answer:
        if request.method == "POST":
            return Answer.json({"code": "not_csv", "detail": "It is none."}, 422)
        asked = re.search(r"cursor=(\d+)", request.target)
        number = int(asked[1]) if asked else 0
        counts = {"limit": A_PAGE, "size": A_PAGE, "totalData": A_PAGE * pages, "totalPages": pages}
        next_cursor = str(number + 1) if number + 1 < pages else None
        listing = {"data": [EMPLOYEE] * A_PAGE, "page": None, "totalIsEstimate": False, "nextCursor": next_cursor}
        return Answer.json({**listing, **counts})

    return answer


async def test_client_holds_neither_what_it_sends_nor_what_it_lists() -> None:
    def blocks() -> Iterator[bytes]:
        for _ in range(96):
            yield b"x" * MIB

    pages = 30
    async with scripted(service(pages)) as (url, seen), rollcall.AsyncClient(url) as rc:
        tracemalloc.start()
        try:
            with pytest.raises(rollcall.NotCsv):
                await rc.upload(blocks())
            _, sending = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            count = 0
            async for _ in rc.employees():
                count += 1
            _, listing = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == A_PAGE * pages
    assert seen[0].body_bytes > 96 * MIB
    # Both ends are this process: some blocks of 1 MiB, and two or three pages of a thousand.
    assert sending < 16 * MIB
    assert listing < 8 * MIB


async def peak_of(url: str, *arguments: str) -> tuple[int, int, int]:
    """Of the command: its status, how many lines it printed, and the most bytes that it had in memory."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MEASURED, *arguments, "--url", url),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "client")])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await ended(process)
    peak = re.search(r"VmHWM:\s+(\d+) kB", err.decode())
    assert peak is not None, err.decode()
    assert process.returncode is not None
    return process.returncode, out.count(b"\n"), int(peak[1]) * 1024


async def test_command_takes_no_more_for_more(tmp_path: Path) -> None:
    """Of the ten times as much that is sent, and of what is listed, nothing stays."""
    files = {size: tmp_path / f"{size}.csv" for size in (16, 192)}
    for size, file in files.items():
        with file.open("wb") as sparse:
            sparse.truncate(size * MIB)
    sent, listed = [], []
    for size, pages in zip(files, (4, 64), strict=True):
        async with scripted(service(pages)) as (url, seen):
            status, _, peak = await peak_of(url, "upload", str(files[size]))
            assert (status, seen[0].body_bytes > size * MIB) == (3, True)
            sent.append(peak)
            status, lines, peak = await peak_of(url, "employees", "--json")
            assert (status, lines) == (0, A_PAGE * pages)
            listed.append(peak)
    assert sent[1] - sent[0] < 8 * MIB
    assert listed[1] - listed[0] < 8 * MIB
