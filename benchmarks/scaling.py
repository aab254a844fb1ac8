"""The gain of more consumers, the cost of a row in small and in large files, and the memory that each service takes.

COPY of the same rows stands beside each size: an index grows slower with its size, whoever fills it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Final, get_args

from benchmarks.copying import copy_seconds
from benchmarks.figures import Check, Figure, Measure, Outcome, at_least, at_most, in_turns, ratio, rounded
from benchmarks.rig import Rig, rig
from benchmarks.uploading import upload_seconds
from deploy.sample import write_sample
from tests.support.services import Kind

MEMORY_MIB: Final = 160
BAD_SHARE: Final = 0.01


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--consumers", type=int, nargs="*", default=[1, 2, 3, 4], help="numbers of consumers (1 2 3 4)")
    parser.add_argument("--rows", type=int, default=300_000, help="rows of the file for the consumers (300000)")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="*",
        default=[10_000, 100_000, 1_000_000, 5_000_000],
        help="rows of the files for two consumers (10000 100000 1000000 5000000)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")


async def measure(options: argparse.Namespace) -> Outcome:
    with rig() as here:
        by_consumers = await _by_consumers(here, options.consumers, options.rows, options.rounds)
        costs, copies, peaks = await _by_size(here, options.sizes, options.rounds)
    checks: list[Check] = []
    if {1, 2} <= by_consumers.keys():
        checks.append(at_least("2 consumers, times 1", ratio(by_consumers[2], by_consumers[1]), 1.4))
    if {100_000, 5_000_000} <= costs.keys():
        grown = {rows: ratio(costs[rows], copies[rows]) for rows in (100_000, 5_000_000)}
        growth = grown[5_000_000] / grown[100_000]
        checks.append(at_most("cost of a row at 5,000,000, times that at 100,000, beside COPY", growth, 1.15))
    checks += _memory_checks(peaks)
    return Outcome(
        f"{options.rows:,} rows for the consumers, 2 consumers for the sizes, {options.rounds} rounds in turns",
        [
            *by_consumers.values(),
            *(figure for rows in costs for figure in (costs[rows], copies[rows])),
            *(figure for kinds in peaks.values() for figure in kinds.values()),
        ],
        checks,
    )


async def _by_consumers(rig: Rig, numbers: list[int], rows: int, rounds: int) -> dict[int, Figure]:
    file = _file(rig, rows, BAD_SHARE)

    def with_consumers(consumers: int) -> Measure:
        async def rows_per_second() -> float:
            async with rig.database() as url, rig.services(url, consumers=consumers) as services:
                return rows / await upload_seconds(services.api.url, file, rows)

        return rows_per_second

    names = {number: f"{number} consumer{'s' * (number > 1)}" for number in numbers}
    figures = await in_turns(rounds, "rows/s", {names[number]: with_consumers(number) for number in numbers})
    return {number: figures[name] for number, name in names.items()}


async def _by_size(
    rig: Rig, sizes: list[int], rounds: int
) -> tuple[dict[int, Figure], dict[int, Figure], dict[int, dict[Kind, Figure]]]:
    """Microseconds a row through Rollcall and through COPY, and the peaks of memory, by the rows of the file."""
    peaks: dict[int, dict[Kind, list[float]]] = {rows: defaultdict(list) for rows in sizes}

    def ours(rows: int, file: Path) -> Measure:
        async def microseconds() -> float:
            async with rig.database() as url, rig.services(url) as services:
                seconds = await upload_seconds(services.api.url, file, rows)
                for kind in get_args(Kind):
                    peaks[rows][kind].append(rounded(max(each.peak_memory_mib() for each in services.of(kind))))
            return seconds / rows * 1e6

        return microseconds

    def copied(rows: int, file: Path) -> Measure:
        async def microseconds() -> float:
            return await copy_seconds(rig, [file]) / rows * 1e6

        return microseconds

    costs, copies = {}, {}
    for rows in sizes:
        upload, clean = _file(rig, rows, BAD_SHARE), _file(rig, rows, 0)
        names = f"a row of {rows:,}", f"a row of {rows:,}, COPY"
        figures = await in_turns(rounds, "µs", {names[0]: ours(rows, upload), names[1]: copied(rows, clean)})
        costs[rows], copies[rows] = figures.values()
        upload.unlink()
        clean.unlink()
    memory = {
        rows: {
            kind: Figure(f"peak memory of {kind}, {rows:,} rows", "MiB", tuple(taken)) for kind, taken in each.items()
        }
        for rows, each in peaks.items()
    }
    return costs, copies, memory


def _memory_checks(peaks: dict[int, dict[Kind, Figure]]) -> list[Check]:
    if not peaks:
        return []
    largest = max(peaks)
    checks = [
        at_most(f"peak memory of {kind}, {largest:,} rows", figure.median, MEMORY_MIB, "MiB")
        for kind, figure in peaks[largest].items()
    ]
    if 100_000 in peaks and largest > 100_000:
        checks += [
            at_most(f"the same, times that of 100,000 rows ({kind})", ratio(figure, peaks[100_000][kind]), 1.1)
            for kind, figure in peaks[largest].items()
        ]
    return checks


def _file(rig: Rig, rows: int, bad_share: float) -> Path:
    file = rig.folder / f"{rows}-{bad_share}.csv"
    write_sample(file, rows, bad_share)
    return file
