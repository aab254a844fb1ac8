"""`make bench`: measures on servers of its own, side by side in one run. Bounded, and only on this machine.

`make bench ARGS=lease-queues` measures the lease queues instead of an upload.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from benchmarks import ingest, lease_queues


def main() -> None:
    if sys.argv[1:2] == ["lease-queues"]:
        lease_queues.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the uploaded file (1000000)")
    parser.add_argument("--consumers", type=int, default=2, help="consumer processes (2)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")
    arguments = parser.parse_args()
    asyncio.run(ingest.measure(rows=arguments.rows, consumers=arguments.consumers, rounds=arguments.rounds))


main()
