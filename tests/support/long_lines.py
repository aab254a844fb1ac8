"""Streams without an end in sight, read in a process whose memory nothing else has touched.

To trace each allocation takes ten times as long as to read, and in the tests' own process what others have freed hides
what a reader takes.
"""

from __future__ import annotations

import io
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import NamedTuple

from shared.errors import FileProblem
from shared.rows.csv_format import CsvFormat
from shared.rows.reader_versions import read_records


class LongLine(io.BytesIO):
    """The same bytes over and over, as many as were asked for, never held in one piece."""

    def __init__(self, repeated: bytes, size: int, ending: bytes = b"") -> None:
        super().__init__()
        self._block = repeated * (65536 // len(repeated))
        self._left = size
        self._ending = ending

    def read(self, size: int | None = -1) -> bytes:
        if self._left <= 0:
            ending, self._ending = self._ending, b""
            return ending
        self._left -= len(self._block)
        return self._block


class Reading(NamedTuple):
    """`peak_bytes` is what the process held at most beyond what it held before."""

    problem: type[FileProblem] | None
    most_characters: int  # of the cells of one record
    peak_bytes: int


def read_in_fresh_process(stream: LongLine, form: CsvFormat) -> Reading:
    with ProcessPoolExecutor(1, mp_context=_context()) as pool:
        return pool.submit(_read, stream, form).result()


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _read(stream: LongLine, form: CsvFormat) -> Reading:
    # The peak begins anew: https://docs.kernel.org/filesystems/proc.html, "clear_refs".
    Path("/proc/self/clear_refs").write_text("5")
    before = _kibibytes("VmRSS")
    problem, most = None, 0
    try:
        for record in read_records(stream, form):
            most = max(most, sum(map(len, record.cells)))
    except FileProblem as raised:
        problem = type(raised)
    return Reading(problem, most, (_kibibytes("VmHWM") - before) * 1024)


def _kibibytes(name: str) -> int:
    return int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0])
