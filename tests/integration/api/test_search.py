"""The search: what it matches, how it is bounded, and which indexes answer it."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service import employee_queries, employee_search
from api_service.employee_search import find_rare_matches, walk_matches
from api_service.search_term import SearchTerm, parse_search_term
from api_service.settings import ApiSettings
from shared.database.engine import create_engine
from tests.support.employees import Person, insert_employees, matches

# Everything that a pattern, a regular expression or pg_trgm could take for something else than itself.
NASTY = "abAB1%_\\'\"*+?.^$|()[]{}<>-/:;,!#&~`= éÉßñЖжΣ李明’😀-."
PERSONS = 400
LARGE = 60_000


def nasty_people() -> list[Person]:
    dice = random.Random(20)
    return [
        Person(
            name="".join(dice.choices(NASTY, k=dice.randint(1, 14))).strip() or "x",
            email="".join(dice.choices("abAB1%_'*+?.^$|{}-/!#&~`=", k=dice.randint(1, 8))) + f"@{number}.ab-b1.example",
        )
        for number in range(PERSONS)
    ]


def nasty_terms(people: list[Person]) -> list[str]:
    """Pieces of what is there, in another case, beside things that are not there."""
    dice = random.Random(21)
    terms = [
        "%",
        "_",
        "\\",
        "\\%",
        "%%%",
        "a%b",
        "a_b",
        "^a",
        "(",
        ")",
        "[",
        "\\d",
        ".*",
        "' OR 1=1",
        "@",
        "--",
        "ab",
        "zz",
    ]
    for _ in range(250):
        person = dice.choice(people)
        source = dice.choice([person.name, person.email])
        start = dice.randrange(len(source))
        piece = source[start : start + dice.randint(1, 6)]
        terms.append(dice.choice([piece, piece.upper(), piece.lower()]) if "ß" not in piece else piece)
    return [term for term in terms if term.strip()]


def term_for(searched: str) -> SearchTerm:
    term = parse_search_term(searched)
    assert term is not None
    return term


@pytest.fixture
async def engine(settings: ApiSettings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings, "test", pool_size=2, pool_timeout_seconds=2)
    yield engine
    await engine.dispose()


@pytest.mark.parametrize("index", ["only where it pays", "whenever it can be"])
async def test_a_search_finds_what_a_plain_filter_finds(
    engine: AsyncEngine, database: asyncpg.Connection, index: str
) -> None:
    people = nasty_people()
    await insert_employees(database, people)
    async with engine.connect() as connection:
        if index == "whenever it can be":
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
        for searched in nasty_terms(people):
            expected = [number for number, person in enumerate(people, 1) if matches(searched, person)]
            term = term_for(searched)
            found = await find_rare_matches(connection, term, estimate=0, employees=PERSONS)
            assert found == expected, searched
            walk = await walk_matches(connection, term, after=0, offset=0, limit=PERSONS, rows=PERSONS)
            assert walk == (expected, None), searched


TERMS_AND_WHOM_THEY_FIND = {
    "asha": ["Asha Rao", "Natasha Lee"],
    "ASHA": ["Asha Rao", "Natasha Lee"],
    "  asha ": ["Asha Rao", "Natasha Lee"],
    "a": ["Asha Rao"],
    "ra": ["Asha Rao", "Zoë O'Rae"],
    "ex": ["Asha Rao", "Natasha Lee", "Zoë O'Rae"],
    "@e": ["Asha Rao", "Natasha Lee", "Zoë O'Rae"],
    "O'RAE": ["Zoë O'Rae"],
    "zoË": ["Zoë O'Rae"],
    "100%": ["100% Lee"],
    "%": ["100% Lee"],
    "_": ["100% Lee"],
    "lee\nnat": [],
    "lee nat": [],
    "\0": [],
    "x" * 255: [],
}


async def test_a_term_means_what_it_says(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await insert_employees(
        database,
        [
            Person("Asha Rao", "asha@example.com"),
            Person("Natasha Lee", "nat@example.com"),
            Person("Zoë O'Rae", "zoe@example.com"),
            Person("100% Lee", "under_score@sample.com"),
        ],
    )
    for searched, found in TERMS_AND_WHOM_THEY_FIND.items():
        body = (await api.get("/v1/employees", params={"searchTerm": searched})).json()
        assert [employee["employee_name"] for employee in body["data"]] == found, searched
        assert (body["totalData"], body["totalIsEstimate"]) == (len(found), False), searched


async def test_a_blank_term_is_no_term(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await insert_employees(database, [Person("Asha", "a@example.com"), Person("Bo", "b@example.com")])
    for blank in ["", " ", "\t \n"]:
        assert (await api.get("/v1/employees", params={"searchTerm": blank})).json()["totalData"] == 2


@pytest.fixture
def many_are_common(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a table of a test can reach."""
    monkeypatch.setattr(employee_search, "COMMON_MATCHES", 100)
    monkeypatch.setattr(employee_search, "EXACT_MATCHES", 50)
    monkeypatch.setattr(employee_queries, "EXACT_MATCHES", 50)
    monkeypatch.setattr(employee_queries, "WALK_ROWS", 200)


def every_third_is_special(count: int) -> list[Person]:
    return [
        Person("Special" if number % 3 == 0 else "Plain", f"{number}@example.com") for number in range(1, count + 1)
    ]


@pytest.mark.usefixtures("many_are_common")
async def test_a_common_term_is_listed_in_full_with_an_estimated_total(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await insert_employees(database, every_third_is_special(1000))
    listed: list[int] = []
    parameters: dict[str, Any] = {"searchTerm": "special", "limit": 40}
    while True:
        page = (await api.get("/v1/employees", params=parameters)).json()
        assert page["totalIsEstimate"] is True
        assert page["totalData"] > 50
        listed += [employee["id"] for employee in page["data"]]
        if page["nextCursor"] is None:
            break
        parameters["cursor"] = page["nextCursor"]
    assert listed == list(range(3, 1001, 3))


@pytest.mark.usefixtures("many_are_common")
async def test_page_numbers_lead_through_a_common_term(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await insert_employees(database, every_third_is_special(600))
    pages = [(await api.get(f"/v1/employees?searchTerm=special&page={page}")).json() for page in (1, 2, 6)]
    assert [[employee["id"] for employee in page["data"]] for page in pages] == [
        list(range(3, 33, 3)),
        list(range(33, 63, 3)),
        list(range(153, 183, 3)),
    ]


@pytest.mark.usefixtures("many_are_common")
async def test_a_walk_that_finds_too_little_answers_early_and_says_where_to_go_on(
    api: httpx2.AsyncClient, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [Person("Early", f"{number}@example.com") for number in range(5)]
    people += [Person("Filler", f"f{number}@example.com") for number in range(495)]
    people += [Person("Early", f"late{number}@example.com") for number in range(5)]
    await insert_employees(database, people)
    monkeypatch.setattr(employee_search, "COMMON_MATCHES", -1)
    monkeypatch.setattr(employee_search, "COMMON_SHARE", 0)
    page = (await api.get("/v1/employees?searchTerm=early")).json()
    assert [employee["id"] for employee in page["data"]] == [1, 2, 3, 4, 5]
    sizes = []
    while page["nextCursor"] is not None:
        page = (await api.get("/v1/employees", params={"searchTerm": "early", "cursor": page["nextCursor"]})).json()
        sizes.append(page["size"])
    assert sizes == [0, 5]


@pytest.mark.usefixtures("many_are_common")
async def test_a_page_beyond_what_a_walk_may_look_at_is_refused(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await insert_employees(database, every_third_is_special(1000))
    answer = await api.get("/v1/employees?searchTerm=special&page=8")
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:problem-type:rollcall:page_too_deep",
        "title": answer.json()["title"],
        "status": 422,
        "detail": "Too many matches lie before this page to count them off: follow nextCursor from the first page.",
        "instance": "/v1/employees",
        "code": "page_too_deep",
    }


async def test_a_term_that_takes_too_long_to_look_up_is_walked(
    engine: AsyncEngine, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_employees(database, [Person("Asha", f"{number}@example.com") for number in range(20_000)])
    monkeypatch.setattr(employee_search, "INDEX_SEARCH_MILLISECONDS", 1)
    async with engine.connect() as connection:
        # Nothing but punctuation: no trigram, so every row has to be looked at.
        assert await find_rare_matches(connection, term_for("..."), estimate=0, employees=20_000) is None
        # The deadline was the search's alone, and the transaction goes on.
        assert (await connection.execute(text("SELECT current_setting('statement_timeout')"))).scalar_one() == "0"


class Plans:
    """The statements that run, and whether Postgres would read all employees for one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._ran: list[tuple[str, Any]] = []
        event.listen(engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, _: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: bool) -> None:
        if "FROM employees" in statement and not statement.startswith("EXPLAIN"):
            self._ran.append((statement, parameters))

    async def scans_of_employees(self) -> set[str]:
        ran, self._ran = self._ran, []
        assert ran, "nothing was asked of employees"
        scans: set[str] = set()
        async with self._engine.connect() as connection:
            for statement, parameters in ran:
                explained = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
                plan = explained.scalar_one()
                scans |= _scans((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
        return scans


def _scans(plan: dict[str, Any]) -> set[str]:
    own = {plan["Node Type"]} if plan.get("Relation Name") == "employees" else set()
    return own.union(*(_scans(child) for child in plan.get("Plans", [])))


async def test_no_search_reads_the_whole_table(engine: AsyncEngine, database: asyncpg.Connection) -> None:
    dice = random.Random(22)
    syllables = ["an", "ba", "ca", "da", "el", "fa", "ga", "ha", "in", "jo", "ka", "la", "ma", "na", "or", "pa"]
    names = ["".join(dice.choices(syllables, k=3)).title() for _ in range(LARGE)]
    await insert_employees(
        database, [Person(f"{name} {names[-n]}", f"{name}{n}@example.com") for n, name in enumerate(names)]
    )
    plans = Plans(engine)
    async with engine.connect() as connection:
        for searched in ["anbaca", "ina", "zzz", "12345", "a", "b", "q", "an", "zz", "o'brien", "-an"]:
            await find_rare_matches(connection, term_for(searched), estimate=0, employees=LARGE)
            assert await plans.scans_of_employees() == {"Bitmap Heap Scan"}, searched
        for searched in ["example.com", "a"]:
            await walk_matches(connection, term_for(searched), after=LARGE // 2, offset=0, limit=11, rows=LARGE)
            assert await plans.scans_of_employees() == {"Index Scan"}, searched
        await employee_queries.list_employees(connection, None, after=None, offset=LARGE // 2, limit=10)
        assert "Seq Scan" not in await plans.scans_of_employees()
        await employee_queries.list_employees(connection, None, after=LARGE // 2, offset=0, limit=10)
        assert "Seq Scan" not in await plans.scans_of_employees()
