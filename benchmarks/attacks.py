"""The peak memory of each service under each attack, as a table in docs/reliability.md. It measures no times.

Attacks that exist for the tests of fault 30 run one after the other, and then all at once, with normal uploads beside.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from typing import Final, get_args

import asyncpg

from benchmarks.rig import rig
from deploy.checkout import CHECKOUT
from tests.support.attacks import ATTACKS, Attack, Target, all_attacks, prepare, under_attack, until_settled
from tests.support.broker import open_broker
from tests.support.document_passages import replace_passage
from tests.support.services import Kind, Services

DOCUMENT: Final = CHECKOUT / "docs" / "reliability.md"
MEMORY_MIB: Final = 160
ALL: Final = "all of these at once"

Peaks = Mapping[Kind, float]


def main(arguments: list[str]) -> None:
    options = _options(arguments)
    chosen = {name: attack for name, attack in ATTACKS.items() if options.only in name}
    if not options.only:
        chosen |= {ALL: all_attacks}
    measured = asyncio.run(_measure(chosen))
    table = _as_markdown(measured)
    print(table)
    if not options.only and options.save:
        replace_passage(DOCUMENT, "attacks", table)
    if any(peak > MEMORY_MIB for peaks in measured.values() for peak in peaks.values()):
        raise SystemExit(f"a service took more than {MEMORY_MIB} MiB")


async def _measure(attacks: Mapping[str, Attack]) -> dict[str, Peaks]:
    with rig() as here:
        async with here.database() as url, here.services(url) as services:
            database = await asyncpg.connect(url)
            async with open_broker(services.backends.amqp_url) as broker:
                target = Target(services, broker, await prepare(database))
                measured = {"at rest": _peaks(services)}
                for name, attack in attacks.items():
                    measured[name] = await _peaks_under(target, database, name, attack)
            await database.close()
    return measured


async def _peaks_under(target: Target, database: asyncpg.Connection, name: str, attack: Attack) -> Peaks:
    services = target.services
    pids = [service.pid for service in services.all]
    for service in services.all:
        service.forget_peak_memory()
    uploads = await under_attack(target, attack)
    await until_settled(target, database)
    assert [service.pid for service in services.all if service.is_alive] == pids, f"{name}: a service died"
    peaks = _peaks(services)
    figures = ", ".join(f"{kind} {peak:.0f} MiB" for kind, peak in peaks.items())
    print(f"  {name}: {figures}; {uploads} normal uploads beside it", flush=True)
    return peaks


def _peaks(services: Services) -> Peaks:
    return {kind: max(service.peak_memory_mib() for service in services.of(kind)) for kind in get_args(Kind)}


def _as_markdown(measured: Mapping[str, Peaks]) -> str:
    kinds: tuple[Kind, ...] = get_args(Kind)
    head = [f"| attack | {' | '.join(kinds)} |", "| --- |" + " ---: |" * len(kinds)]
    lines = [f"| {name} | {' | '.join(f'{peaks[kind]:.0f}' for kind in kinds)} |" for name, peaks in measured.items()]
    return "\n".join([*head, *lines])


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks attacks", description=__doc__)
    parser.add_argument("--only", default="", help="only attacks with this in their names; nothing is written")
    parser.add_argument("--no-save", dest="save", action="store_false", help="only print")
    return parser.parse_args(arguments)
