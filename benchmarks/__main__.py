"""`make bench`: measures on servers of its own, side by side in one run. Bounded, and only on this machine.

Without a part all of them are measured, one after the other. Each part's figures take the place of its last ones in
benchmarks/results.json, from which docs/benchmarks.md and its plot are written anew.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from benchmarks import attacks, document, lease_queues, listing_turns, results_file
from benchmarks.parts import PARTS
from benchmarks.report import print_outcome


def main() -> None:
    own_commands = {"lease-queues": lease_queues.main, "listing-turns": listing_turns.main, "attacks": attacks.main}
    if sys.argv[1:2] and sys.argv[1] in own_commands:
        own_commands[sys.argv[1]](sys.argv[2:])
        return
    options = _options()
    if options.part == "document":
        document.write(results_file.read())
        return
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
        document.write(results_file.merge(name, outcome, minutes=(time.monotonic() - begin) / 60))


def _options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parsers = parser.add_subparsers(dest="part", metavar="PART")
    for name, part in PARTS.items():
        own = parsers.add_parser(name, help=f"{part.title}: about {part.minutes:.0f} minutes")
        own.add_argument(
            "--no-save", dest="save", action="store_false", help="only print; for a try with other options"
        )
        part.add_options(own)
    parsers.add_parser("lease-queues", help="The lease queues beside the bare statements and another queue server")
    parsers.add_parser("listing-turns", help="The listing beside another checkout's, in turns; prints the ratios")
    parsers.add_parser("attacks", help="The peak memory of each service under each attack, for docs/reliability.md")
    parsers.add_parser("document", help="Measure nothing: write the document and the plot from the last figures")
    return parser.parse_args(arguments)


main()
