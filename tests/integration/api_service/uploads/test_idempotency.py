"""What an Idempotency-Key promises: one upload, however often and however simultaneously it is sent."""

from __future__ import annotations

import asyncio
import hashlib
import json

import asyncpg
import httpx2

from tests.support.uploads import HEADER, SMALL_CSV, send, stored_files


async def test_the_same_request_again_is_the_first_upload(api: httpx2.AsyncClient, upload_store_url: str) -> None:
    first = await send(api, key="k-1", onDuplicate="update")
    again = await send(api, key="k-1", onDuplicate="update")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert len(stored_files(upload_store_url)) == 1


async def test_a_default_that_is_spelt_out_is_the_same_request(api: httpx2.AsyncClient) -> None:
    await send(api, key="k-1")
    assert (await send(api, key="k-1", onDuplicate="skip", header="auto")).status_code == 200


async def test_the_same_key_with_other_content_is_refused(api: httpx2.AsyncClient, upload_store_url: str) -> None:
    first = (await send(api, key="k-1")).json()
    answer = await send(api, SMALL_CSV + b"B,C,1234567,b@example.com\n", key="k-1")
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert first["id"] in answer.json()["errors"][0]["detail"]
    assert len(stored_files(upload_store_url)) == 1


async def test_the_same_key_with_other_options_is_refused(api: httpx2.AsyncClient) -> None:
    await send(api, key="k-1")
    answer = await send(api, key="k-1", onDuplicate="update")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_same_key_with_another_escape_is_refused(api: httpx2.AsyncClient) -> None:
    await send(api, key="k-1")
    answer = await send(api, key="k-1", escape="backslash")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_same_key_with_another_limit_of_rejects_is_refused(api: httpx2.AsyncClient) -> None:
    await send(api, key="k-1")
    assert (await send(api, key="k-1", maxRejects="5")).json()["code"] == "idempotency_key_reused"
    await send(api, key="k-2", maxRejects="5")
    assert (await send(api, key="k-2", maxRejects="5")).status_code == 200


async def test_request_that_an_older_release_took_is_known_again(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    await send(api, key="k-1")
    # As releases that knew neither `escape` nor `maxRejects` wrote it.
    options = {
        "on_duplicate": "skip",
        "format": {"delimiter": None, "encoding": None, "header": "auto", "mapping": None},
    }
    canonical = json.dumps([hashlib.sha256(SMALL_CSV).hexdigest(), options], sort_keys=True)
    await database.execute(
        "UPDATE uploads SET idempotency_fingerprint = $1", hashlib.sha256(canonical.encode()).hexdigest()
    )
    assert (await send(api, key="k-1")).status_code == 200


async def test_without_a_key_the_same_file_is_another_upload(api: httpx2.AsyncClient) -> None:
    first, second = await send(api), await send(api)
    assert first.json()["id"] != second.json()["id"]


async def test_a_refused_request_uses_up_no_key(api: httpx2.AsyncClient) -> None:
    assert (await send(api, b"name,company\n", key="k-1")).status_code == 422
    assert (await send(api, key="k-1")).status_code == 202


async def test_a_key_lives_as_long_as_its_upload(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    first = (await send(api, key="k-1")).json()
    await database.execute("UPDATE uploads SET status = 'succeeded', finished_at = now()")
    assert (await api.delete(f"/v1/uploads/{first['id']}")).status_code == 204
    assert (await send(api, key="k-1")).status_code == 202


async def test_of_eight_requests_at_once_one_becomes_the_upload(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_store_url: str
) -> None:
    answers = await asyncio.gather(*(send(api, key="race") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(stored_files(upload_store_url)) == 1
    assert await database.fetchval("SELECT count(*) FROM uploads") == 1


async def test_of_eight_different_files_with_one_key_one_is_taken(
    api: httpx2.AsyncClient, upload_store_url: str
) -> None:
    contents = [HEADER + f"A,B,1234567,a{number}@example.com\n".encode() for number in range(8)]
    answers = await asyncio.gather(*(send(api, content, key="race") for content in contents))
    assert sorted(answer.status_code for answer in answers) == [202] + [422] * 7
    assert len(stored_files(upload_store_url)) == 1
