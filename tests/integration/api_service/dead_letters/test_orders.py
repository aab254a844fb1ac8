"""Orders for work on dead letters: what is meant is said, one at a time, and whoever is alive goes on with it."""

from __future__ import annotations

import json
import uuid
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.dead_letters.bulk_jobs import JobLease, JobLost, finish_job, lease_job
from tests.integration.api_service.dead_letters.conftest import listed
from tests.support.dead_letters import DeadLetters
from tests.support.jobs import LETTERS, REDRIVE, address, order_deletion, order_redrive, redrive, until_ended

BOTH = (("POST", REDRIVE), ("DELETE", LETTERS))


async def orders(api: httpx2.AsyncClient, path: str = "", **request: Any) -> list[httpx2.Response]:
    """The same one for a redrive and for a deletion."""
    return [await api.request(method, address + path, **request) for method, address in BOTH]


@pytest.mark.parametrize(
    "request_",
    [{}, {"json": {}}, {"json": None}, {"json": {"all": False}}, {"json": {"uploadId": None, "code": None}}],
    ids=["no body", "empty", "null", "not all", "nulls"],
)
async def test_order_that_says_nothing_changes_nothing_and_is_told_what_to_say(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID, request_: dict[str, Any]
) -> None:
    kept = await letters.add_rows(upload_id, [1])
    for answer in await orders(api, **request_):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert '{"all": true}' in json.dumps(answer.json()).replace("\\", "")
    assert (await listed(api), await letters.take(1)) == (kept, kept)


@pytest.mark.parametrize("query", ["?limit=10", "?code=invalid_email", "?uploadId=x", "?all=true"])
async def test_filter_in_the_address_is_refused_instead_of_ignored(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID, query: str
) -> None:
    kept = await letters.add_rows(upload_id, [1])
    for answer in await orders(api, query, json={"all": True}):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (await listed(api), await letters.take(1)) == (kept, kept)


@pytest.mark.parametrize(
    ("order", "culprit"),
    [
        ({"uploadID": "x"}, "body.uploadID"),
        ({"uploadId": "x"}, "body.uploadId"),
        ({"code": "bad_luck"}, "body.code"),
        ({"all": "yes"}, "body.all"),
        ({"all": True, "code": "invalid_email"}, "body"),
    ],
)
async def test_order_that_is_not_understood_changes_nothing(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID, order: dict[str, Any], culprit: str
) -> None:
    kept = await letters.add_rows(upload_id, [1])
    for answer in await orders(api, json=order):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert any(error["location"].startswith(culprit) for error in answer.json()["errors"])
    assert (await listed(api), await letters.take(1)) == (kept, kept)


@pytest.mark.parametrize("media_type", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_order_that_is_not_sent_as_json_is_told_how_and_changes_nothing(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID, media_type: str | None
) -> None:
    kept = await letters.add_rows(upload_id, [1])
    headers = {"Content-Type": media_type} if media_type else {}
    for answer in await orders(api, content=b'{"all": true}', headers=headers):
        assert (answer.status_code, answer.json()["code"]) == (415, "json_needed")
        assert "Content-Type: application/json" in answer.json()["detail"]
    assert (await listed(api), await letters.take(1)) == (kept, kept)


async def test_second_order_is_told_how_far_the_first_is_and_where_to_watch_it(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [1, 2])
    first = await order_redrive(api, all=True)
    for answer in await orders(api, json={"all": True}):
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["code"]) == (409, "dead_letters_busy")
        assert answer.headers["Location"] == address(first)
        assert "0 of 2" in answer.json()["detail"]
        assert address(first) in answer.json()["detail"]
    (await api.delete(address(first))).raise_for_status()
    await until_ended(api, first)
    assert (await until_ended(api, await order_deletion(api, all=True)))["done"] == 2


async def test_job_that_has_ended_is_not_stopped_and_one_that_there_is_not_is_not_found(
    api: httpx2.AsyncClient,
) -> None:
    job = await redrive(api, all=True)
    answer = await api.delete(address(job))
    assert (answer.status_code, answer.json()["code"]) == (409, "already_finished")
    for method in ("GET", "DELETE"):
        answer = await api.request(method, f"{LETTERS}/jobs/{uuid.uuid4()}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")
        answer = await api.request(method, f"{LETTERS}/jobs/1")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.fault(28)
async def test_process_that_slept_past_its_lease_counts_nothing_more(
    engine: AsyncEngine, database: asyncpg.Connection
) -> None:
    await database.execute("INSERT INTO bulk_jobs (kind, total, left_over) VALUES ('redrive', 10, 0)")
    async with engine.begin() as connection:
        sleeper = await lease_job(connection, seconds=60)
        assert sleeper is not None
        assert await lease_job(connection, seconds=60) is None
    await database.execute("UPDATE bulk_jobs SET expires_at = now() - interval '1 second'")
    async with engine.begin() as connection:
        other = await lease_job(connection, seconds=60)
    assert other is not None
    assert other.id == sleeper.id

    late = JobLease(engine, sleeper, seconds=60)
    with pytest.raises(JobLost):
        await late.is_wanted()
    async with engine.begin() as connection:
        with pytest.raises(JobLost):
            await late.step(connection, done=5, resume_point=None)
        with pytest.raises(JobLost):
            await finish_job(connection, sleeper)

    async with engine.begin() as connection:
        assert await JobLease(engine, other, seconds=60).step(connection, done=3, resume_point=None)
    assert await database.fetchval("SELECT done FROM bulk_jobs") == 3
