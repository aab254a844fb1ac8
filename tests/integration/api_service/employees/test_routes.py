"""Employees listed, looked at, deleted and exported."""

from __future__ import annotations

import asyncio
import csv
import io
import uuid
from contextlib import AsyncExitStack

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr

from api_service.employees.read_pool import APPLICATION_NAME
from api_service.settings import ApiSettings
from shared.rows.fields import FIELD_NAMES, FIELDS
from tests.support.api import running_api
from tests.support.effects import counted_employees
from tests.support.employees import Person, insert_employees
from tests.support.tcp_proxy import tcp_proxy
from tests.support.uploads import insert_upload
from tests.support.waiting import eventually

MANY = 60_000


def people(count: int) -> list[Person]:
    return [Person(f"Person {number}", f"person{number}@example.com") for number in range(1, count + 1)]


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (answer.status_code, body["instance"]) == (body["status"], answer.url.path)
    assert body["detail"]
    return body["status"], body["code"]


async def test_an_employee_is_listed_with_its_upload(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    upload_id = await insert_upload(database)
    sequence = await database.fetchval("SELECT sequence FROM uploads WHERE id = $1", upload_id)
    await insert_employees(database, [Person("Asha Rao", "Asha@Example.com", "Acme", "+919876543210", sequence)])
    [employee] = (await api.get("/v1/employees")).json()["data"]
    assert employee == (await api.get(f"/v1/employees/{employee['id']}")).json()
    assert employee.pop("createdAt") == employee.pop("updatedAt")
    assert employee == {
        "id": 1,
        "employee_name": "Asha Rao",
        "company_name": "Acme",
        "mobile_no": "+919876543210",
        "email": "Asha@Example.com",
        "leftAt": None,
        "uploadId": str(upload_id),
        **{field.name: None for field in FIELDS if field.may_be_empty},
    }
    await database.execute("DELETE FROM uploads")
    assert (await api.get("/v1/employees/1")).json()["uploadId"] is None


async def test_pages_and_cursors_lead_through_all_employees_by_id(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await insert_employees(database, people(45))
    by_page = [(await api.get(f"/v1/employees?page={page}")).json() for page in range(1, 7)]
    assert [page["size"] for page in by_page] == [10, 10, 10, 10, 5, 0]
    assert [employee["id"] for page in by_page for employee in page["data"]] == list(range(1, 46))
    assert {(page["totalData"], page["totalPages"], page["totalIsEstimate"]) for page in by_page} == {(45, 5, False)}
    second = (await api.get("/v1/employees", params={"cursor": by_page[0]["nextCursor"]})).json()
    assert (second["data"], second["page"]) == (by_page[1]["data"], None)


# The short way leaves numbers with so many digits to the declared one.
@pytest.mark.parametrize(
    ("query", "not_plain"),
    [
        ("", "limit=00000010"),
        ("limit=4&page=3", "limit=00000004&page=3"),
        ("page=900", "page=00000000900"),
        ("searchTerm=Person+4&limit=3", "searchTerm=Person+4&limit=00000003"),
        ("searchTerm=%25x", "searchTerm=%25x&limit=00000010"),
    ],
)
async def test_the_short_way_and_the_declared_one_answer_alike(
    api: httpx2.AsyncClient, database: asyncpg.Connection, query: str, not_plain: str
) -> None:
    await insert_employees(database, people(45))
    short = await api.get(f"/v1/employees?{query}")
    declared = await api.get(f"/v1/employees?{not_plain}")
    assert short.json() | {"nextCursor": None} == declared.json() | {"nextCursor": None}
    assert (short.json()["nextCursor"] is None) == (declared.json()["nextCursor"] is None)
    assert short.headers["Link"].count("rel=") == declared.headers["Link"].count("rel=")


async def test_a_rare_term_is_paged_with_an_exact_total(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await insert_employees(database, people(45))
    first = (await api.get("/v1/employees?searchTerm=person4&limit=4")).json()
    assert [employee["id"] for employee in first["data"]] == [4, 40, 41, 42]
    assert (first["totalData"], first["totalPages"], first["totalIsEstimate"]) == (7, 2, False)
    second = (await api.get("/v1/employees?searchTerm=person4&limit=4&page=2")).json()
    assert [employee["id"] for employee in second["data"]] == [43, 44, 45]
    cursor = first["nextCursor"]
    by_cursor = (await api.get(f"/v1/employees?searchTerm=person4&limit=4&cursor={cursor}")).json()
    assert by_cursor["data"] == second["data"]


async def test_a_list_that_cannot_be_meant_is_refused(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    await insert_employees(database, people(11))
    cursor = (await api.get("/v1/employees")).json()["nextCursor"]
    assert problem(await api.get("/v1/employees?limit=1001")) == (422, "invalid_request")
    assert problem(await api.get(f"/v1/employees?cursor={cursor}&page=2")) == (422, "invalid_request")
    assert problem(await api.get(f"/v1/employees?cursor={cursor}&searchTerm=a")) == (422, "invalid_cursor")


async def test_a_deleted_employee_is_gone_and_no_longer_counted(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await insert_employees(database, people(3))
    assert (await api.delete("/v1/employees/2")).status_code == 204
    assert [employee["id"] for employee in (await api.get("/v1/employees")).json()["data"]] == [1, 3]
    assert problem(await api.get("/v1/employees/2")) == (404, "unknown_employee")
    assert problem(await api.delete("/v1/employees/2")) == (404, "unknown_employee")
    assert await counted_employees(database) == (2, 2)


async def test_an_id_that_cannot_be_one_is_refused(api: httpx2.AsyncClient) -> None:
    for impossible in ["0", "-1", "one", str(2**63)]:
        assert problem(await api.get(f"/v1/employees/{impossible}")) == (422, "invalid_request")
        assert problem(await api.delete(f"/v1/employees/{impossible}")) == (422, "invalid_request")
    assert problem(await api.get(f"/v1/employees/{2**63 - 1}")) == (404, "unknown_employee")


async def test_a_locked_table_is_a_busy_database(settings: ApiSettings, database: asyncpg.Connection) -> None:
    hurried = settings.model_copy(update={"lock_timeout_seconds": 0.1})
    async with running_api(hurried) as api, database.transaction():
        await database.execute("LOCK TABLE employees IN ACCESS EXCLUSIVE MODE")
        for path in ("/v1/employees", "/v1/employees?searchTerm=asha", "/v1/employees.csv", "/v1/employees/1"):
            answer = await api.get(path)
            assert problem(answer) == (503, "database_busy")
            assert int(answer.headers["Retry-After"]) > 0


async def test_a_database_that_is_away_is_said_to_be(settings: ApiSettings, database_url: str) -> None:
    async with tcp_proxy(database_url) as proxy:
        elsewhere = settings.model_copy(update={"database_url": SecretStr(proxy.url)})
        async with running_api(elsewhere) as api:
            proxy.cut()
            answer = await api.get("/v1/employees")
            assert problem(answer) == (503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            await proxy.open()
            assert (await api.get("/v1/employees")).status_code == 200


async def test_a_database_that_says_nothing_is_given_up(settings: ApiSettings, database_url: str) -> None:
    paths = ["/v1/employees", "/v1/employees?page=2", "/v1/employees?searchTerm=asha", "/v1/employees.csv"]
    # Long enough for what is answered, on a busy machine too.
    impatient = {"database_answer_timeout_seconds": 3, "statement_timeout_seconds": 3}
    async with tcp_proxy(database_url) as proxy:
        silenced = settings.model_copy(update={"database_url": SecretStr(proxy.url), **impatient})
        async with running_api(silenced) as api:
            warm = await asyncio.gather(*(api.get(path) for path in paths))
            assert {answer.status_code for answer in warm} == {200}
            proxy.stall()
            # A search has two statements, each with its own time; some more for a busy machine.
            async with asyncio.timeout(20):
                answers = await asyncio.gather(*(api.get(path) for path in paths))
            for answer in answers:
                assert problem(answer) == (503, "database_unavailable")
                assert int(answer.headers["Retry-After"]) > 0
            proxy.resume()
            again = await asyncio.gather(*(api.get(path) for path in paths))
            assert {answer.status_code for answer in again} == {200}


def rows_of(answer: httpx2.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_the_export_has_everybody_in_the_order_of_ids(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await insert_employees(database, people(4500))
    answer = await api.get("/v1/employees.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    disposition = "attachment; filename=\"employees.csv\"; filename*=UTF-8''employees.csv"
    assert answer.headers["Content-Disposition"] == disposition
    rows = rows_of(answer)
    assert [int(row["id"]) for row in rows] == list(range(1, 4501))
    assert list(rows[0])[1:-3] == list(FIELD_NAMES)


async def test_an_export_without_anybody_is_a_header(api: httpx2.AsyncClient) -> None:
    for path in ("/v1/employees.csv", "/v1/employees.csv?searchTerm=nobody"):
        answer = await api.get(path)
        assert answer.text == f"id,{','.join(FIELD_NAMES)},upload_id,created_at,updated_at\r\n"


@pytest.mark.parametrize("common_matches", [100_000, 10])
async def test_the_export_of_a_term_has_its_matches(
    api: httpx2.AsyncClient, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, common_matches: int
) -> None:
    monkeypatch.setattr("api_service.employees.listing.COMMON_MATCHES", common_matches)
    monkeypatch.setattr("api_service.employees.export.WALK_ROWS", 1000)
    monkeypatch.setattr("api_service.employees.export.BATCH_ROWS", 300)
    await insert_employees(database, people(4500))
    rows = rows_of(await api.get("/v1/employees.csv?searchTerm=person4"))
    expected = [number for number in range(1, 4501) if str(number).startswith("4")]
    assert [int(row["id"]) for row in rows] == expected


async def test_no_exported_cell_is_a_formula(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    upload_id = await insert_upload(database)
    sequence = await database.fetchval("SELECT sequence FROM uploads WHERE id = $1", upload_id)
    await insert_employees(database, [Person('=HYPERLINK("x")', "a@b.example", "-1+2", "+919876543210", sequence)])
    [row] = rows_of(await api.get("/v1/employees.csv"))
    assert (row["employee_name"], row["company_name"]) == ('\'=HYPERLINK("x")', "'-1+2")
    assert row["mobile_no"] == "+919876543210"
    assert uuid.UUID(row["upload_id"]) == upload_id


async def test_neither_a_slow_reader_nor_one_that_hangs_up_keeps_a_connection(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    await insert_employees(database, people(MANY))
    connections = 3
    few = settings.model_copy(update={"database_pool_size": connections, "database_pool_timeout_seconds": 5})
    async with running_api(few) as api:
        async with AsyncExitStack() as exports:
            # Held, because a reader that is dropped hangs up.
            readers = []
            for _ in range(connections):
                answer = await exports.enter_async_context(api.stream("GET", "/v1/employees.csv"))
                readers.append(answer.aiter_raw())
                await anext(readers[-1])
            # Nobody reads on: once all that lies between them is full the exports wait, and connections are there for
            # others.
            await eventually(lambda: no_page_was_asked_for_lately(database))
            assert await is_answered(api)
        assert await is_answered(api)


async def no_page_was_asked_for_lately(database: asyncpg.Connection) -> bool:
    query = """
        SELECT count(*) = 0 FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = $1
          AND query_start > clock_timestamp() - interval '1 s'
    """
    return bool(await database.fetchval(query, APPLICATION_NAME))


async def is_answered(api: httpx2.AsyncClient) -> bool:
    return (await api.get("/v1/employees/1")).status_code == 200
