"""Redrives and deletions of dead letters: ordered over HTTP, and followed to their end."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2

from tests.support.waiting import eventually

LETTERS = "/v1/dead-letters"
REDRIVE = "/v1/dead-letters/redrive"

Json = dict[str, Any]


async def order_redrive(client: httpx2.AsyncClient, **order: Any) -> Json:
    """The new job."""
    return _ordered(await client.post(REDRIVE, json=_as_json(order)))


async def order_deletion(client: httpx2.AsyncClient, **order: Any) -> Json:
    """The new job."""
    return _ordered(await client.request("DELETE", LETTERS, json=_as_json(order)))


async def redrive(client: httpx2.AsyncClient, **order: Any) -> Json:
    """The job at its end."""
    return await until_ended(client, await order_redrive(client, **order))


async def delete(client: httpx2.AsyncClient, **order: Any) -> Json:
    """The job at its end."""
    return await until_ended(client, await order_deletion(client, **order))


async def watch(client: httpx2.AsyncClient, job: Json) -> Json:
    """The job as it is now."""
    found: Json = (await client.get(address(job))).raise_for_status().json()
    return found


async def until_ended(client: httpx2.AsyncClient, job: Json, *, seconds: float = 30) -> Json:
    jobs = [job]

    async def has_ended() -> bool:
        try:
            jobs.append(await watch(client, job))
        except httpx2.TransportError:  # the API is being started again
            return False
        return bool(jobs[-1]["finishedAt"] is not None)

    await eventually(has_ended, seconds=seconds)
    return jobs[-1]


def address(job: Json) -> str:
    return f"{LETTERS}/jobs/{job['id']}"


def _ordered(answer: httpx2.Response) -> Json:
    assert answer.status_code == 202, answer.text
    job: Json = answer.json()
    assert answer.headers["Location"] == address(job)
    return job


def _as_json(order: Json) -> Json:
    return {name: str(value) if isinstance(value, uuid.UUID) else value for name, value in order.items()}
