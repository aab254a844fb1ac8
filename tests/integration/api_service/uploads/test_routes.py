"""Uploads listed, looked at, cancelled, downloaded and deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
import httpx2
import pytest

from tests.support.uploads import SMALL_CSV, insert_rejects, insert_upload, send, stored_files

FINISHED = ["succeeded", "partially_succeeded", "failed", "cancelled"]
UNFINISHED = ["queued", "running", "cancelling"]
NOBODY = uuid.UUID(int=0)


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    body = answer.json()
    assert answer.status_code == body["status"]
    assert body["detail"]
    return body["status"], body["code"]


async def test_uploads_are_listed_newest_first_with_a_cursor(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    ids = [str(await insert_upload(database)) for _ in range(5)]
    first = (await api.get("/v1/uploads?limit=2")).json()
    assert [upload["id"] for upload in first["data"]] == [ids[4], ids[3]]
    assert (first["totalData"], first["totalPages"], first["size"]) == (5, 3, 2)
    await insert_upload(database)
    second = (await api.get(f"/v1/uploads?limit=2&cursor={first['nextCursor']}")).json()
    assert [upload["id"] for upload in second["data"]] == [ids[2], ids[1]]
    assert [upload["id"] for upload in (await api.get("/v1/uploads?limit=2&page=4")).json()["data"]] == []


async def test_uploads_are_filtered_by_status(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    for status in [*UNFINISHED, *FINISHED]:
        await insert_upload(database, status=status)
    found = (await api.get("/v1/uploads?status=cancelling")).json()
    assert [upload["status"] for upload in found["data"]] == ["cancelling"]
    assert found["totalData"] == 1


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "page=0", "status=done", "page=1&cursor=x"])
async def test_a_listing_that_cannot_be_meant_is_refused(api: httpx2.AsyncClient, query: str) -> None:
    assert problem(await api.get(f"/v1/uploads?{query}")) == (422, "invalid_request")


async def test_a_cursor_of_another_list_is_refused(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    for _ in range(2):
        await insert_upload(database)
    cursor = (await api.get("/v1/uploads?limit=1")).json()["nextCursor"]
    assert problem(await api.get(f"/v1/uploads?status=queued&cursor={cursor}")) == (422, "invalid_cursor")


async def test_progress_is_the_share_of_the_bytes_that_are_done(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database, byte_count=400, bytes_done=100, status="running")
    assert (await api.get(f"/v1/uploads/{upload_id}")).json()["progress"] == 0.25


async def test_a_file_of_a_header_alone_is_whole_when_it_is_done(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database, status="succeeded")
    assert (await api.get(f"/v1/uploads/{upload_id}")).json()["progress"] == 1


async def test_a_failed_upload_says_why(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    why = '{"code": "unclosed_quote", "detail": "A quote opens on line 3 and is never closed."}'
    upload_id = await insert_upload(database, status="failed", problem=why)
    assert (await api.get(f"/v1/uploads/{upload_id}")).json()["problem"]["code"] == "unclosed_quote"


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_a_cancel_is_left_to_the_producer(
    api: httpx2.AsyncClient, database: asyncpg.Connection, status: str
) -> None:
    upload_id = await insert_upload(database, status=status)
    answer = await api.post(f"/v1/uploads/{upload_id}/cancel")
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["revision"]) == ("cancelling", 2)
    again = await api.post(f"/v1/uploads/{upload_id}/cancel")
    assert (again.status_code, again.json()) == (202, answer.json())


@pytest.mark.parametrize("status", FINISHED)
async def test_a_finished_upload_cannot_be_cancelled(
    api: httpx2.AsyncClient, database: asyncpg.Connection, status: str
) -> None:
    upload_id = await insert_upload(database, status=status)
    assert problem(await api.post(f"/v1/uploads/{upload_id}/cancel")) == (409, "already_finished")
    assert (await api.get(f"/v1/uploads/{upload_id}")).json()["revision"] == 1


@pytest.mark.parametrize("status", FINISHED)
async def test_a_finished_upload_is_deleted_with_all_that_is_its_own(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_store_url: str, status: str
) -> None:
    upload_id = uuid.UUID((await send(api)).json()["id"])
    await database.execute("UPDATE uploads SET status = $1, finished_at = now()", status)
    await insert_rejects(database, upload_id, [(1, ["a"])])
    await database.execute("INSERT INTO row_markers (upload_id, row_number, consumers) VALUES ($1, 1, '{}')", upload_id)
    await database.execute("INSERT INTO upload_chunks VALUES ($1, 1, 1, 1, 1, 0, 0, 0)", upload_id)
    await database.execute(
        "INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)"
        " SELECT 'A', 'B', '1234567', 'a@example.com', sequence, 1, false FROM uploads"
    )
    assert (await api.delete(f"/v1/uploads/{upload_id}")).status_code == 204
    for table in ("uploads", "upload_chunks", "rejected_rows", "row_markers"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await database.fetchval("SELECT count(*) FROM employees") == 1
    assert stored_files(upload_store_url) == []
    assert problem(await api.delete(f"/v1/uploads/{upload_id}")) == (404, "unknown_upload")


@pytest.mark.parametrize("status", UNFINISHED)
async def test_an_upload_that_is_not_finished_cannot_be_deleted(
    api: httpx2.AsyncClient, database: asyncpg.Connection, status: str
) -> None:
    upload_id = await insert_upload(database, status=status)
    assert problem(await api.delete(f"/v1/uploads/{upload_id}")) == (409, "not_finished")
    assert (await api.get(f"/v1/uploads/{upload_id}")).status_code == 200


async def test_the_file_comes_back_byte_for_byte_under_its_name(api: httpx2.AsyncClient) -> None:
    content = SMALL_CSV + 'Zoë,"Say ""hi""",1234567,z@example.com\r\n'.encode("cp1252") * 20_000
    upload = (await send(api, content, filename='naïve "list".csv')).json()
    answer = await api.get(f"/v1/uploads/{upload['id']}/file")
    assert answer.content == content
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"na_ve _list_.csv\"; filename*=UTF-8''na%C3%AFve%20%22list%22.csv"
    )


async def test_a_file_that_was_purged_is_gone(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_store_url: str
) -> None:
    upload = (await send(api)).json()
    for path in stored_files(upload_store_url):
        path.unlink()
    assert problem(await api.get(f"/v1/uploads/{upload['id']}/file")) == (410, "file_gone")


Ask = Callable[[httpx2.AsyncClient, object], Coroutine[Any, Any, httpx2.Response]]
ADDRESSES: list[Ask] = [
    lambda api, upload_id: api.get(f"/v1/uploads/{upload_id}"),
    lambda api, upload_id: api.post(f"/v1/uploads/{upload_id}/cancel"),
    lambda api, upload_id: api.delete(f"/v1/uploads/{upload_id}"),
    lambda api, upload_id: api.get(f"/v1/uploads/{upload_id}/rejects"),
    lambda api, upload_id: api.get(f"/v1/uploads/{upload_id}/rejects.csv"),
    lambda api, upload_id: api.get(f"/v1/uploads/{upload_id}/file"),
]


@pytest.mark.parametrize("ask", ADDRESSES)
async def test_an_upload_that_does_not_exist_is_unknown(api: httpx2.AsyncClient, ask: Ask) -> None:
    assert problem(await ask(api, NOBODY)) == (404, "unknown_upload")


@pytest.mark.parametrize("ask", ADDRESSES)
async def test_an_id_that_is_none_is_refused(api: httpx2.AsyncClient, ask: Ask) -> None:
    assert problem(await ask(api, "17")) == (422, "invalid_request")
