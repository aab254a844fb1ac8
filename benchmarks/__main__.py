"""`make bench`: measures on servers of its own, side by side in one run. Bounded, and only on this machine.

Without a part all of them are measured, one after the other. Each part's figures take the place of its last ones in
benchmarks/results.json.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from typing import NamedTuple

from benchmarks import (
    ingest,
    lease_queues,
    listing,
    recovery,
    results_file,
    scaling,
    single_requests,
    small_upload,
)
from benchmarks.figures import Outcome
from benchmarks.report import print_outcome


class Part(NamedTuple):
    """One thing to measure. `minutes` is what it takes on two cores, so that one knows what one waits for."""

    title: str
    minutes: float
    add_options: Callable[[argparse.ArgumentParser], None]
    measure: Callable[[argparse.Namespace], Coroutine[None, None, Outcome]]


PARTS = {
    "ingest": Part("Ingest beside COPY", 5, ingest.add_options, ingest.measure),
    "listing": Part("The listing and the search", 12, listing.add_options, listing.measure),
    "recovery": Part("Recovery from a kill", 1, recovery.add_options, recovery.measure),
    "small-behind-big": Part("A small upload behind a large one", 2, small_upload.add_options, small_upload.measure),
    "one-request": Part("Single requests", 1, single_requests.add_options, single_requests.measure),
    "scaling": Part("Consumers, sizes and memory", 25, scaling.add_options, scaling.measure),
}


def main() -> None:
    if sys.argv[1:2] == ["lease-queues"]:
        lease_queues.main(sys.argv[2:])
        return
    options = _options()
    chosen = [options.part] if options.part else list(PARTS)
    minutes = sum(PARTS[part].minutes for part in chosen)
    print(f"Measuring {', '.join(chosen)}: about {minutes:.0f} minutes.", flush=True)
    for part in chosen:
        _measure(part, options if options.part else _options([part]))


def _measure(name: str, options: argparse.Namespace) -> None:
    part = PARTS[name]
    print(f"\n{part.title} ...", flush=True)
    begin = time.monotonic()
    outcome = asyncio.run(part.measure(options))
    print_outcome(part.title, outcome)
    if options.save:
        results_file.merge(name, outcome, minutes=(time.monotonic() - begin) / 60)


def _options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parsers = parser.add_subparsers(dest="part", metavar="PART")
    for name, part in PARTS.items():
        own = parsers.add_parser(name, help=part.title)
        own.add_argument(
            "--no-save", dest="save", action="store_false", help="only print; for a try with other options"
        )
        part.add_options(own)
    parsers.add_parser("lease-queues", help="The lease queues beside the bare statements and another queue server")
    return parser.parse_args(arguments)


main()
