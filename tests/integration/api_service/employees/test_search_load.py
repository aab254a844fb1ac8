"""Searches that nothing can answer quickly: they wait in a line of their own, which has an end, or are refused."""

from __future__ import annotations

import asyncio
from collections import Counter

import asyncpg
import httpx2
import pytest
from asyncpg.transaction import Transaction

from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.employees import Person, insert_employees
from tests.support.waiting import eventually

AT_ONCE = 30
# Nobody who is in line or at work gives up before a test has seen it.
PATIENT = {"database_pool_timeout_seconds": 60, "lock_timeout_seconds": 60, "statement_timeout_seconds": 60}


@pytest.fixture
async def slow_searches(database: asyncpg.Connection) -> Transaction:
    """Their indexes are locked, which a plain list never looks at; until it is rolled back, or the test ends."""
    await insert_employees(database, [Person(f"Person {n}", f"person{n}@example.com") for n in range(50)])
    transaction = database.transaction()
    await transaction.start()
    await database.execute("LOCK TABLE email_domains IN ACCESS EXCLUSIVE MODE")
    return transaction


async def searches_at_work(database: asyncpg.Connection) -> int:
    return int(
        await database.fetchval(
            "SELECT count(*) FROM pg_locks WHERE relation = 'email_domains'::regclass AND NOT granted"
        )
    )


async def test_plain_lists_are_never_behind_searches(
    settings: ApiSettings, database: asyncpg.Connection, slow_searches: Transaction
) -> None:
    # The searches would take all connections of the other pool many times over, and what an API does at its start needs
    # two at a time.
    own = {"search_pool_size": 2, "search_line": 3, **PATIENT}
    async with running_api(settings.model_copy(update=own)) as api:

        async def both_work() -> bool:
            return await searches_at_work(database) == 2

        searches = [asyncio.create_task(api.get(f"/v1/employees?searchTerm=person{n}")) for n in range(AT_ONCE)]
        await eventually(both_work)
        listed = [await api.get(path) for path in ("/v1/employees", "/v1/employees?page=2", "/v1/employees/1") * 5]
        assert {answer.status_code for answer in listed} == {200}

        # Two are at work, three in line, all others were told at once.
        await eventually(lambda: sum(each.done() for each in searches) >= AT_ONCE - 5)
        await slow_searches.rollback()
        answers = await asyncio.gather(*searches)
        busy = [answer for answer in answers if answer.status_code == 503]
        assert {(answer.json()["code"], answer.headers["Retry-After"]) for answer in busy} == {("database_busy", "5")}
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses.keys() == {200, 503}
        # While the API takes its sample of trigrams, after its start, one fewer has a place.
        assert 4 <= statuses[200] <= 5


@pytest.mark.usefixtures("slow_searches")
async def test_search_whose_client_hangs_up_makes_room(settings: ApiSettings, database: asyncpg.Connection) -> None:
    async with running_api(settings.model_copy(update={"search_pool_size": 1, **PATIENT})) as api:

        async def it_works() -> bool:
            return await searches_at_work(database) == 1

        async def none_works() -> bool:
            return await searches_at_work(database) == 0

        for _ in range(3):
            search = asyncio.create_task(api.get("/v1/employees?searchTerm=person"))
            await eventually(it_works)
            search.cancel()
            await eventually(none_works)


@pytest.mark.parametrize("path", ["/v1/employees", "/v1/employees.csv"])
@pytest.mark.parametrize("term", ["%%%", "-", "@", "a--"])
async def test_term_that_no_index_can_look_for_is_refused(api: httpx2.AsyncClient, path: str, term: str) -> None:
    answers = await asyncio.gather(*(api.get(path, params={"searchTerm": term}) for _ in range(AT_ONCE)))
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "search_term_too_vague")
        assert "letter or digit" in answer.json()["detail"]
    assert (await api.get("/v1/employees")).status_code == 200
