"""`GET /v1/employees` with a million and with five million people: latency at 16 clients, and requests a second beside
the same statements straight through asyncpg: through its pool, as a program would, and on connections of their own.

One API process, the clients and Postgres share the machine. Rare terms and terms without a match are different ones
each time, so that nothing that is remembered of a term helps.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import asyncpg
import msgspec

from api_service.employees import statements
from api_service.employees.listing import EXACT_MATCHES, WALK_ROWS
from api_service.employees.read_pool import PLANNER_SETTINGS
from api_service.employees.search_term import LOOKED_UP_TRIGRAMS, SearchTerm, parse_search_term
from api_service.employees.trigram_shares import TrigramShares
from benchmarks.closed_loop import Load, Loaded, Statement, load
from benchmarks.figures import Check, Figure, Outcome, at_least, at_most, ratio, rounded
from benchmarks.listing_table import COMMON_DOMAIN, fill_employees, rare_surnames
from benchmarks.rig import rig
from benchmarks.uploading import get_json

CLIENTS: Final = 16
LIMIT: Final = 10
RARE_TERMS: Final = 2000
# The promise at the largest size; the page in the middle has to count off half of the table.
P99_MS: Final = 50.0
SHARE_OF_BARE: Final = 0.4
UNBOUNDED: Final = ("page in the middle",)


class Case(NamedTuple):
    """Requests, and what each of them asks of the database."""

    name: str
    paths: list[str]
    statements: list[list[Statement]]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--employees", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--seconds", type=float, default=3, help="of load a case and round (3)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")
    parser.add_argument("--cases", nargs="+", help="only these, by their names")


async def measure(options: argparse.Namespace) -> Outcome:
    figures: list[Figure] = []
    checks: list[Check] = []
    sizes = sorted(options.employees)
    with rig() as here:
        async with here.database() as url:
            filled = 0
            for size in sizes:
                connection = await asyncpg.connect(url)
                await fill_employees(connection, filled + 1, size)
                filled = size
                async with here.services(url, consumers=0) as services:
                    for case in await cases(connection, services.api.url, size):
                        if not options.cases or case.name in options.cases:
                            found, held = await _measure_case(case, services.api.url, url, size, options)
                            figures += found
                            checks += held if size == sizes[-1] else []
                await connection.close()
    return Outcome(
        f"{CLIENTS} clients, one API process, {LIMIT} a page, {options.rounds} turns of {options.seconds:g} s each",
        figures,
        checks,
    )


async def _measure_case(
    case: Case, api_url: str, database_url: str, size: int, options: argparse.Namespace
) -> tuple[list[Figure], list[Check]]:
    name = f"{size / 1_000_000:g} million, {case.name}"
    bare = Load(database_url, CLIENTS, options.seconds, statements=case.statements, settings=dict(PLANNER_SETTINGS))
    loads = {
        "requests": Load(api_url, CLIENTS, options.seconds, paths=case.paths),
        "the statements through asyncpg's pool": msgspec.structs.replace(bare, pooled=True),
        "the statements on bare connections": bare,
    }
    loaded: dict[str, list[Loaded]] = {kind: [] for kind in loads}
    for _ in range(options.rounds):
        for kind, ordered in loads.items():
            loaded[kind].append(await load(ordered))
        seen = ", ".join(f"{kind} {each[-1].per_second:,.0f}/s" for kind, each in loaded.items())
        served = loaded["requests"][-1]
        print(f"  {name}: p50 {served.p50_ms:.1f} ms, p99 {served.p99_ms:.1f} ms; {seen}", flush=True)
    rates = [_figure(f"{name}: {kind}", "/s", [each.per_second for each in taken]) for kind, taken in loaded.items()]
    p50 = _figure(f"{name}: p50", "ms", [each.p50_ms for each in loaded["requests"]])
    p99 = _figure(f"{name}: p99", "ms", [each.p99_ms for each in loaded["requests"]])
    checks = [at_least(f"{name}: requests, times the statements through a pool", ratio(*rates[:2]), SHARE_OF_BARE)]
    if case.name not in UNBOUNDED:
        checks.append(at_most(f"{name}: p99", p99.median, P99_MS, "ms"))
    return [p50, p99, *rates], checks


def _figure(name: str, unit: str, samples: Sequence[float]) -> Figure:
    return Figure(name, unit, tuple(map(rounded, samples)))


async def cases(connection: asyncpg.Connection, api_url: str, size: int) -> list[Case]:
    rare = await rare_surnames(connection, RARE_TERMS)
    middle = size // LIMIT // 2
    shares = TrigramShares()
    await shares.sample(connection.fetch)
    deep_page = get_json(api_url, f"/v1/employees?limit={LIMIT}&page={middle}")
    deep_id = deep_page["data"][-1]["id"]
    return [
        Case("first page", [_path()], [[_after(0)]]),
        Case(
            "page in the middle", [_path(page=middle)], [[(statements.at_offset(), [(middle - 1) * LIMIT, LIMIT + 1])]]
        ),
        Case("cursor deep down", [_path(cursor=deep_page["nextCursor"])], [[_after(deep_id)]]),
        Case("rare term", [_path(searchTerm=term) for term in rare], [_rare(term, shares) for term in rare]),
        Case("common term", [_path(searchTerm=COMMON_DOMAIN)], [_common(COMMON_DOMAIN)]),
        Case("one letter", [_path(searchTerm=letter) for letter in "aks"], [_common(letter) for letter in "aks"]),
        Case(
            "no match", [_path(searchTerm=f"{term}qq") for term in rare], [_rare(f"{term}qq", shares) for term in rare]
        ),
    ]


def _path(**parameters: Any) -> str:
    return f"/v1/employees?{urlencode({'limit': LIMIT, **parameters})}"


def _after(employee_id: int) -> Statement:
    return statements.after(), [employee_id, LIMIT + 1]


def _rare(searched: str, shares: TrigramShares) -> list[Statement]:
    term = _term(searched)
    trigrams = shares.rarest(term.trigrams, LOOKED_UP_TRIGRAMS)
    return [
        (statements.explain(term), [term.pattern]),
        (statements.rare_matches(term), [term.pattern, EXACT_MATCHES + 1, 0, 0, LIMIT + 1, *trigrams]),
    ]


def _common(searched: str) -> list[Statement]:
    term = _term(searched)
    return [(statements.walk(term), [term.pattern, 0, WALK_ROWS, 0, LIMIT + 1])]


def _term(searched: str) -> SearchTerm:
    term = parse_search_term(searched)
    assert term is not None
    return term
