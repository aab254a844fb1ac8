"""The sample of trigrams, as Postgres takes it."""

from __future__ import annotations

import asyncpg

from api_service.employees.trigram_shares import TrigramShares
from tests.support.employees import Person, insert_employees


async def test_rarest_trigrams_are_those_that_the_fewest_employees_have(database: asyncpg.Connection) -> None:
    many = [Person("Common Noonan", f"common.noonan.{number}@firm.example") for number in range(40)]
    await insert_employees(database, [*many, Person("Zyxwv Noonan", "zyxwv@other.example")])
    shares = TrigramShares()
    assert shares.rarest(["noo", "omm", "zyx"], 1) == ["noo"]

    await shares.sample(database.fetch)

    assert shares.rarest(["noo", "omm", "zyx"], 2) == ["zyx", "omm"]


async def test_empty_table_has_no_sample_and_no_error(database: asyncpg.Connection) -> None:
    shares = TrigramShares()

    await shares.sample(database.fetch)

    assert shares.rarest(["noo", "zyx"], 1) == ["noo"]
