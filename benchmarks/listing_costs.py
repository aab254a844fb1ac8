"""What two choices of the listing are worth, in processor time, which a busy machine blurs less than latency:

- a long term is looked up by four of its trigrams, the rarest ones of a sample, or any if it is of several words;
- a plain request passes FastAPI's routing, injection and validation by.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import psutil

from api_service.employees.listing import EXACT_MATCHES
from api_service.employees.read_pool import PLANNER_SETTINGS
from api_service.employees.search_term import LOOKED_UP_TRIGRAMS, SearchTerm, distinct_trigrams, parse_search_term
from api_service.employees.statements import rare_matches
from api_service.employees.trigram_shares import TrigramShares
from benchmarks.figures import Check, Figure, Outcome, at_most, in_turns, ratio
from benchmarks.keep_alive_client import KeepAliveClient, request_bytes
from benchmarks.listing_table import fill_employees, rare_surnames, some_people
from benchmarks.rig import rig
from tests.support.services import Service

TERMS: Final = 200
LIMIT: Final = 10
REQUESTS: Final = 2000
# A parameter that the listing does not know is left to the declared route.
PATHS: Final = {"passing FastAPI by": f"/v1/employees?limit={LIMIT}", "as declared": f"/v1/employees?limit={LIMIT}&a=1"}
# A choice that saves less than a fifth is not worth its code.
WORTH_IT: Final = 0.8

Found = tuple[list[Figure], list[Check]]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--employees", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")


async def measure(options: argparse.Namespace) -> Outcome:
    with rig() as here:
        async with here.database() as url:
            connection = await asyncpg.connect(url, server_settings=PLANNER_SETTINGS)
            await fill_employees(connection, 1, options.employees)
            figures, checks = await _lookups(connection, options.rounds)
            await connection.close()
            async with here.services(url, consumers=0) as services:
                more_figures, more_checks = await _requests(services.api, options.rounds)
    what = f"{options.employees:,} employees, {options.rounds} turns of {TERMS} terms or {REQUESTS:,} requests each"
    return Outcome(f"processor time; {what}", figures + more_figures, checks + more_checks)


async def _lookups(connection: asyncpg.Connection, rounds: int) -> Found:
    """Of Postgres' session, a search."""
    session = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
    shares = TrigramShares()
    taken = _spent_ms(session, 1, lambda: shares.sample(connection.fetch))
    figures = [*(await in_turns(rounds, "ms", {"the sample, every five minutes": taken})).values()]
    checks = []
    people = await some_people(connection, TERMS)
    terms = {
        "rare surname": await rare_surnames(connection, TERMS),
        "email": [email for _, email in people],
        "full name": [name for name, _ in people],
    }
    for kind, texts in terms.items():
        ways = _searches(texts, shares)
        spent = await in_turns(
            rounds,
            "ms",
            {f"{kind}, {way}": _spent_ms(session, len(all_), _each(connection, all_)) for way, all_ in ways.items()},
        )
        rarest, any_, whole = spent.values()
        figures += spent.values()
        if kind == "full name":
            checks.append(at_most(f"{kind}: by any trigrams, times by the rarest", ratio(any_, rarest), WORTH_IT))
        else:
            checks.append(at_most(f"{kind}: by its rarest trigrams, times as a whole", ratio(rarest, whole), WORTH_IT))
    return figures, checks


def _searches(texts: Sequence[str], shares: TrigramShares) -> Mapping[str, list[tuple[str, list[Any]]]]:
    rarest, any_, whole = [], [], []
    for text in texts:
        term = parse_search_term(text)
        trigrams = distinct_trigrams(text.partition("@")[0])
        if term is not None and trigrams:
            rarest.append(_search(term, trigrams, shares.rarest(trigrams, LOOKED_UP_TRIGRAMS)))
            any_.append(_search(term, trigrams, trigrams[:LOOKED_UP_TRIGRAMS]))
            whole.append(_search(term, (), ()))
    return {"by its rarest trigrams": rarest, "by any trigrams": any_, "as a whole": whole}


def _search(term: SearchTerm, trigrams: tuple[str, ...], looked_up: Sequence[str]) -> tuple[str, list[Any]]:
    statement = rare_matches(replace(term, trigrams=trigrams))
    return statement, [term.pattern, EXACT_MATCHES + 1, 0, 0, LIMIT + 1, *looked_up]


def _each(connection: asyncpg.Connection, searches: Sequence[tuple[str, list[Any]]]) -> Callable[[], Awaitable[None]]:
    async def search() -> None:
        for statement, arguments in searches:
            await connection.fetch(statement, *arguments)

    return search


async def _requests(api: Service, rounds: int) -> Found:
    """Of the API's process, a list."""
    where = urlsplit(api.url)
    client = await KeepAliveClient.connect(str(where.hostname), int(where.port or 80))

    def of(path: str) -> Callable[[], Awaitable[None]]:
        async def request() -> None:
            for _ in range(REQUESTS):
                answer = await client.request(request_bytes("GET", path))
                assert answer.status == 200, answer.body

        return request

    process = psutil.Process(api.pid)
    measures = {f"a list, {way}": _spent_ms(process, REQUESTS, of(path)) for way, path in PATHS.items()}
    direct, declared = (figures := await in_turns(rounds, "ms", measures)).values()
    client.close()
    saved = at_most("a list: passing FastAPI by, times as declared", ratio(direct, declared), WORTH_IT)
    return [*figures.values()], [saved]


def _spent_ms(
    process: psutil.Process, count: int, work: Callable[[], Awaitable[object]]
) -> Callable[[], Awaitable[float]]:
    """What one of so many takes of a process' time."""

    async def measure() -> float:
        before = process.cpu_times()
        await work()
        after = process.cpu_times()
        return float(1000 * (after.user + after.system - before.user - before.system) / count)

    return measure
