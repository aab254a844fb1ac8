"""The search: what it matches, how it is bounded, and which indexes answer it."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx2
import pytest

from api_service.employees.listing import EmployeeListing, EmployeePage, SearchTooSlow
from api_service.employees.read_pool import ReadPool
from api_service.employees.search_term import SearchTerm, TermTooVague, parse_search_term
from api_service.settings import ApiSettings
from tests.support.employees import Person, insert_employees, is_letter_or_digit, is_vague, matches

# Everything that a pattern, a regular expression or pg_trgm could take for something else than itself.
NASTY = "abAB1@%_\\'\"*+?.^$|()[]{}<>-/:;,!#&~`= éÉßñЖжΣ李明’😀½²-."
PERSONS = 400
LARGE = 60_000


def nasty_people() -> list[Person]:
    dice = random.Random(20)
    return [
        Person(
            name="".join(dice.choices(NASTY, k=dice.randint(1, 14))).strip() or "x",
            email="".join(dice.choices("abAB1%_'*+?.^$|{}-/!#&~`=", k=dice.randint(1, 8)))
            + f"@{number}.{dice.choice(['ab-b1.example', 'b.test', '1x.invalid'])}",
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
        piece = source[start : start + dice.randint(1, 12)]
        terms.append(dice.choice([piece, piece.upper(), piece.lower()]) if "ß" not in piece else piece)
        terms.append("".join(dice.choices(NASTY, k=dice.randint(1, 5))))
    return [term for term in terms if term.strip()]


def term_for(searched: str) -> SearchTerm:
    term = parse_search_term(searched)
    assert term is not None
    return term


@pytest.fixture
async def reads(settings: ApiSettings) -> AsyncIterator[ReadPool]:
    reads = ReadPool(settings, connections=1)
    yield reads
    await reads.close()


@pytest.fixture
def listing(reads: ReadPool) -> EmployeeListing:
    return EmployeeListing(reads, reads)


def ids(page: EmployeePage | None) -> list[int]:
    assert page is not None
    return [employee["id"] for employee in page.employees]


async def test_a_search_finds_what_a_plain_filter_finds(reads: ReadPool, database: asyncpg.Connection) -> None:
    people = nasty_people()
    await insert_employees(database, people)
    plans = Plans(reads)
    listing = EmployeeListing(reads, reads)
    for searched in nasty_terms(people):
        if is_vague(searched):
            with pytest.raises(TermTooVague):
                parse_search_term(searched)
            continue
        expected = [number for number, person in enumerate(people, 1) if matches(searched, person)]
        term = term_for(searched)
        by_index = await listing.find_rare(term, after=0, offset=0, limit=PERSONS)
        assert ids(by_index) == expected, searched
        assert by_index is not None
        assert by_index.total == (len(expected), False), searched
        # No trigram is everybody's: an index that gives them all was read from end to end.
        assert await plans.most_found_by_an_index() < PERSONS, searched
        walked = await listing.walk(term, after=0, offset=0, limit=PERSONS, rows=PERSONS)
        assert (ids(walked), walked.resume_after) == (expected, None), searched
        plans.forget()


async def test_letters_and_digits_are_those_of_the_index(database: asyncpg.Connection) -> None:
    points = [point for point in range(1, 0x110000) if is_letter_or_digit(chr(point))]
    unknown = await database.fetch(
        "SELECT point FROM unnest($1::int[]) AS point WHERE show_trgm(chr(point)) = '{}'", points
    )
    assert unknown == []


TERMS_AND_WHOM_THEY_FIND = {
    "asha": ["Asha Rao", "Natasha Lee"],
    "ASHA": ["Asha Rao", "Natasha Lee"],
    "  asha ": ["Asha Rao", "Natasha Lee"],
    "a": ["Asha Rao"],
    "ra": ["Asha Rao", "Zoë O'Rae"],
    "ex": ["Asha Rao", "Natasha Lee", "Zoë O'Rae"],
    "@e": ["Asha Rao", "Natasha Lee", "Zoë O'Rae"],
    "a@": [],
    "asha@": ["Asha Rao"],
    "asha@example.com": ["Asha Rao"],
    "sha@EX": ["Asha Rao"],
    "a@ex": ["Asha Rao"],
    "@sample": ["100% Lee"],
    "ample.c": ["Asha Rao", "Natasha Lee", "Zoë O'Rae", "100% Lee"],
    "nat@sample": [],
    "nat@@example": [],
    "O'RAE": ["Zoë O'Rae"],
    "zoË": ["Zoë O'Rae"],
    "100%": ["100% Lee"],
    "% L": ["100% Lee"],
    "_score": ["100% Lee"],
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


async def test_whoever_matches_twice_is_found_once(listing: EmployeeListing, database: asyncpg.Connection) -> None:
    people = [
        Person("Asha Asha", "asha@asha.example"),
        Person("Bo", "bo@asha.example"),
        Person("Asha", "cy@one.example"),
        Person("asha@asha.example", "di@one.example"),
        Person("x@asha", "x@asha.example"),
        Person("x@asha.example", "christopher@two.example"),
        Person("christopher@two.example", "z@one.example"),
        Person("Priya", "priya.s@three.example"),
    ]
    await insert_employees(database, people)
    # Two transactions that bring a domain at once both write it down.
    await database.execute("INSERT INTO email_domains (domain) VALUES ('asha.example')")
    terms = ["asha", "as", "a", "asha.example", "asha@", "@asha", "asha@asha", "x@asha", "sha@asha.example"]
    terms += ["x@asha.example", "christopher@two", "CHRISTOPHER@two.example", "priya.s@three", "@three.example"]
    for searched in terms:
        page = await listing.find_rare(term_for(searched), after=0, offset=0, limit=11)
        assert ids(page) == [n for n, person in enumerate(people, 1) if matches(searched, person)], searched
        assert page is not None
        assert page.total.items == len(page.employees), searched


async def test_a_blank_term_is_no_term(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await insert_employees(database, [Person("Asha", "a@example.com"), Person("Bo", "b@example.com")])
    for blank in ["", " ", "\t \n"]:
        assert (await api.get("/v1/employees", params={"searchTerm": blank})).json()["totalData"] == 2


@pytest.fixture
def many_are_common(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a table of a test can reach."""
    monkeypatch.setattr("api_service.employees.listing.COMMON_MATCHES", 100)
    monkeypatch.setattr("api_service.employees.listing.EXACT_MATCHES", 50)
    monkeypatch.setattr("api_service.employees.listing.WALK_ROWS", 200)


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
    monkeypatch.setattr("api_service.employees.listing.COMMON_MATCHES", -1)
    monkeypatch.setattr("api_service.employees.listing.COMMON_SHARE", 0)
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
        "type": "/guide/codes#page_too_deep",
        "title": answer.json()["title"],
        "status": 422,
        "detail": "Too many matches lie before this page to count them off: follow nextCursor from the first page.",
        "instance": "/v1/employees",
        "code": "page_too_deep",
    }


async def test_a_term_that_takes_too_long_to_look_up_is_walked(
    listing: EmployeeListing, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_employees(database, [Person("Asha", f"{number}...@example.com") for number in range(20_000)])
    monkeypatch.setattr("api_service.employees.listing.INDEX_SEARCH_SECONDS", 0.1)
    # What the search looks into, and a walk does not.
    async with database.transaction():
        await database.execute("LOCK TABLE email_domains IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SearchTooSlow):
            await listing.find_rare(term_for("asha"), after=0, offset=0, limit=11)
        page = await listing.page(term_for("asha"), limit=11)
        assert (ids(page), page.total.is_estimate) == (list(range(1, 12)), True)
        # Of a term that was slow nothing is known but what the walk saw: here all of it.
        nothing = await listing.page(term_for("ash asha"), limit=11)
        assert (ids(nothing), nothing.total) == ([], (0, False))


async def test_what_a_term_turned_out_to_be_is_not_found_out_again(
    reads: ReadPool, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_employees(database, every_third_is_special(600))
    monkeypatch.setattr("api_service.employees.listing.EXACT_MATCHES", 50)
    plans = Plans(reads)
    listing = EmployeeListing(reads, reads)
    statements = []
    for term in ("special", "special", "95@example", "95@example"):
        page = await listing.page(term_for(term), limit=5)
        assert len(page.employees) == 5
        statements.append(plans.forget())
    # The estimate, the search that finds too many, the walk; then the walk alone. A rare term: the estimate once.
    assert statements == [3, 1, 2, 1]


async def test_each_list_takes_one_round_trip(reads: ReadPool, database: asyncpg.Connection) -> None:
    await insert_employees(database, every_third_is_special(60))
    plans = Plans(reads)
    listing = EmployeeListing(reads, reads)
    for after, offset in ((0, 0), (0, 30), (30, 0), (0, 90), (90, 0)):
        for with_left in (False, True):
            await listing.page(None, limit=11, after=after, offset=offset, with_left=with_left)
            assert plans.forget() == 1, (after, offset, with_left)


class Plans:
    """The statements that run, and whether Postgres would read all employees or domains for one."""

    def __init__(self, reads: ReadPool) -> None:
        self._fetch = reads.fetch
        self._ran: list[tuple[str, tuple[Any, ...]]] = []
        reads.fetch = self._note  # type: ignore[method-assign]

    async def _note(
        self, statement: str, *arguments: Any, timeout_seconds: float | None = None
    ) -> list[asyncpg.Record]:
        self._ran.append((statement, arguments))
        return await self._fetch(statement, *arguments, timeout_seconds=timeout_seconds)

    def forget(self) -> int:
        """How many ran since the last time."""
        count = len(self._ran)
        self._ran.clear()
        return count

    async def most_found_by_an_index(self) -> float:
        """Of the rows that each index for searches gave the statements, whatever became of them then."""
        ran = list(self._ran)
        found: list[float] = []
        for statement, arguments in ran:
            [[plan]] = await self._fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
            found += _found_by_search_indexes(json.loads(plan)[0]["Plan"])
        assert found
        return max(found)

    async def scans(self) -> set[str]:
        """As planned for the statements that are prepared once, whatever their arguments."""
        ran = [(statement, arguments) for statement, arguments in self._ran if not statement.startswith("EXPLAIN")]
        self._ran.clear()
        assert ran, "nothing was asked of employees"
        scans: set[str] = set()
        for statement, arguments in ran:
            await self._fetch(f"PREPARE seen AS {statement}")
            values = ", ".join(map(_literal, arguments))
            [[plan]] = await self._fetch(f"EXPLAIN (FORMAT JSON) EXECUTE seen({values})")
            await self._fetch("DEALLOCATE seen")
            scans |= _scans(json.loads(plan)[0]["Plan"])
        return scans


def _literal(value: object) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _found_by_search_indexes(plan: dict[str, Any]) -> list[float]:
    own = [plan["Actual Rows"]] if plan.get("Index Name", "").endswith("_search_idx") else []
    return own + [found for child in plan.get("Plans", []) for found in _found_by_search_indexes(child)]


def _scans(plan: dict[str, Any]) -> set[str]:
    own = {plan["Node Type"]} if plan.get("Relation Name") in {"employees", "email_domains"} else set()
    return own.union(*(_scans(child) for child in plan.get("Plans", [])))


async def test_no_list_reads_the_whole_table(reads: ReadPool, database: asyncpg.Connection) -> None:
    dice = random.Random(22)
    syllables = ["an", "ba", "ca", "da", "el", "fa", "ga", "ha", "in", "jo", "ka", "la", "ma", "na", "or", "pa"]
    names = ["".join(dice.choices(syllables, k=3)).title() for _ in range(LARGE)]
    await insert_employees(
        database,
        [Person(f"{name} {names[-n]}", f"{name}{n}@{names[n // 2]}.example.com") for n, name in enumerate(names)],
    )
    plans = Plans(reads)
    listing = EmployeeListing(reads, reads)
    rare = ["anbaca", "anbacada elfaga", "ina", "zzz", "12345", "a", "b", "q", "an", "zz", "o'brien", "-an"]
    for searched in [
        *rare,
        "anbaca.example",
        "@anba",
        "1@anba",
        "ca12@",
        "ca12@anbaca",
        "caanba123@anbaca.example.com",
    ]:
        await listing.find_rare(term_for(searched), after=0, offset=0, limit=11)
        # The matches through the indexes for searches, then the page's rows by their ids.
        assert await plans.scans() == {"Bitmap Heap Scan", "Index Scan"}, searched
    for searched in ["example.com", "a"]:
        await listing.walk(term_for(searched), after=LARGE // 2, offset=0, limit=11, rows=LARGE)
        assert await plans.scans() == {"Index Scan"}, searched
    await listing.page(None, offset=LARGE // 2, limit=10)
    assert await plans.scans() == {"Index Only Scan", "Index Scan"}
    await listing.page(None, after=LARGE // 2, limit=10)
    assert await plans.scans() == {"Index Scan"}
    await listing.one(LARGE // 2)
    assert await plans.scans() == {"Index Scan"}
