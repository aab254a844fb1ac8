"""Employees as one upload left them: those that a later one changed are no longer among them."""

from __future__ import annotations

import uuid

import asyncpg
import httpx2

from tests.support.employees import Person, insert_employees
from tests.support.uploads import insert_upload


async def sequence_of(database: asyncpg.Connection, upload_id: uuid.UUID) -> int:
    sequence: int = await database.fetchval("SELECT sequence FROM uploads WHERE id = $1", upload_id)
    return sequence


async def two_uploads(database: asyncpg.Connection, rows: int = 30) -> tuple[uuid.UUID, uuid.UUID]:
    """Of `rows` people each, one after the other in turn."""
    uploads = [await insert_upload(database), await insert_upload(database)]
    sequences = [await sequence_of(database, each) for each in uploads]
    await insert_employees(
        database,
        [
            Person(f"Person {at}", f"person{at}@firm{at % 2}.example", upload_sequence=sequences[at % 2])
            for at in range(2 * rows)
        ],
    )
    return uploads[0], uploads[1]


async def test_pages_and_cursors_lead_through_the_employees_of_one_upload(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    first, second = await two_uploads(database)
    pages = [(await api.get(f"/v1/employees?uploadId={first}&page={page}")).json() for page in range(1, 5)]
    assert [page["size"] for page in pages] == [10, 10, 10, 0]
    assert {(page["totalData"], page["totalPages"], page["totalIsEstimate"]) for page in pages} == {(30, 3, False)}
    found = [employee["id"] for page in pages for employee in page["data"]]
    assert found == sorted(found)
    assert {employee["uploadId"] for page in pages for employee in page["data"]} == {str(first)}

    parameters = {"uploadId": str(first), "cursor": pages[0]["nextCursor"]}
    assert (await api.get("/v1/employees", params=parameters)).json()["data"] == pages[1]["data"]
    other = await api.get("/v1/employees", params={**parameters, "uploadId": str(second)})
    assert (other.status_code, other.json()["code"]) == (422, "invalid_cursor")


async def test_a_term_looks_among_them(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    first, second = await two_uploads(database)
    found = (await api.get(f"/v1/employees?uploadId={first}&searchTerm=person 1")).json()
    assert [employee["employee_name"] for employee in found["data"]] == [f"Person {at}" for at in range(10, 20, 2)]
    assert found["totalData"] == 5
    assert (await api.get(f"/v1/employees?uploadId={second}&searchTerm=firm0")).json()["totalData"] == 0
    assert (await api.get(f"/v1/employees?uploadId={second}&searchTerm=pe")).json()["totalData"] == 30


async def test_who_was_changed_since_is_the_later_uploads(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    first, second = await two_uploads(database)
    await database.execute(
        "UPDATE employees SET upload_sequence = $1 WHERE id = 1", await sequence_of(database, second)
    )
    assert (await api.get(f"/v1/employees?uploadId={first}")).json()["totalData"] == 29
    assert (await api.get(f"/v1/employees?uploadId={second}")).json()["totalData"] == 31


async def test_upload_without_employees_has_an_empty_list_and_one_that_is_not_known_is_a_404(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    assert (await api.get(f"/v1/employees?uploadId={await insert_upload(database)}")).json()["data"] == []
    answer = await api.get(f"/v1/employees?uploadId={uuid.uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_upload")
    answer = await api.get("/v1/employees?uploadId=17")
    assert (answer.status_code, answer.json()["errors"][0]["location"]) == (422, "query.uploadId")


async def test_few_among_many_are_found_without_reading_the_table(database: asyncpg.Connection) -> None:
    upload = await insert_upload(database)
    sequence = await sequence_of(database, upload)
    others = [Person(f"Person {at}", f"person{at}@firm.example", upload_sequence=sequence + 1) for at in range(60_000)]
    mine = [Person(f"Mine {at}", f"mine{at}@firm.example", upload_sequence=sequence) for at in range(10)]
    await insert_employees(database, [*others[:30_000], *mine, *others[30_000:]])
    plan = await database.fetch(f"EXPLAIN SELECT id FROM employees WHERE upload_sequence = {sequence}")
    assert "employees_upload_idx" in "\n".join(row[0] for row in plan)
