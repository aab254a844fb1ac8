"""`GET /v1/employees` of two checkouts in turns: `make bench ARGS="listing-turns ../before"`. Writes nothing.

One API process each, on the same people.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import uvloop

from benchmarks import api_servers, turns
from benchmarks.closed_loop import Load, load
from benchmarks.listing import CLIENTS, cases
from benchmarks.listing_table import fill_employees
from benchmarks.turns import take_turns

# A cursor is its own checkout's.
CASES: Final = ("first page", "page in the middle", "rare term", "common term", "one letter", "no match")


def main(arguments: Sequence[str]) -> None:
    uvloop.run(_measure(_options(arguments)))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks listing-turns", description=__doc__)
    parser.add_argument("before", type=Path, help="another checkout")
    parser.add_argument("--postgres-url", help="of a superuser; a private server is started if none is given")
    parser.add_argument("--employees", type=int, default=300_000, help="(300000)")
    parser.add_argument("--seconds", type=float, default=1, help="that each has in a turn (1)")
    parser.add_argument("--rounds", type=turns.rounds_of_turns, default=20, help="turns (20)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="only these")
    return parser.parse_args(arguments)


async def _measure(options: argparse.Namespace) -> None:
    before = options.before.resolve()
    with api_servers.postgres(options.postgres_url) as url:
        async with (
            api_servers.other_database(url, before) as before_url,
            _filled(before_url, options.employees),
            _filled(url, options.employees) as connection,
        ):
            with (
                api_servers.api_processes(before_url, 1, checkout=before) as [before_port],
                api_servers.api_processes(url, 1) as [port],
            ):
                print(turns.HEADER)
                for case in await cases(connection, _address(port), options.employees):
                    if case.name in options.cases:
                        burst = partial(_burst, case.paths, options.seconds)
                        taken = await take_turns(case.name, before_port, port, burst, rounds=options.rounds)
                        print(taken.line(), flush=True)


@asynccontextmanager
async def _filled(url: str, employees: int) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM employees)"):
            sys.exit("There are employees in this database: --postgres-url wants one without any.")
        await fill_employees(connection, 1, employees)
        yield connection
    finally:
        await connection.close()


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


async def _burst(paths: list[str], seconds: float, port: int) -> float:
    return (await load(Load(_address(port), CLIENTS, seconds, paths=paths))).per_second
