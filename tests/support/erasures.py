"""Erasures ordered over HTTP and followed to their end, and people who are suppressed without one."""

from __future__ import annotations

from typing import Any, Final

import asyncpg
import httpx2
from pydantic import SecretStr

from shared.database.suppressions import PersonHash
from shared.rows.named_people import folded
from tests.support.waiting import eventually

ERASURES: Final = "/v1/erasures"
KEY: Final = "a secret of the tests"

Json = dict[str, Any]


async def order_erasure(client: httpx2.AsyncClient, email: str) -> Json:
    """As it was answered."""
    answer = await client.post(ERASURES, json={"email": email})
    assert answer.status_code == 202, answer.text
    erasure: Json = answer.json()
    assert answer.headers["Location"] == f"{ERASURES}/{erasure['id']}"
    return erasure


async def until_erased(client: httpx2.AsyncClient, erasure: Json, *, seconds: float = 30) -> Json:
    """The certificate."""
    seen = [erasure]

    async def has_ended() -> bool:
        try:
            seen.append((await client.get(f"{ERASURES}/{erasure['id']}")).raise_for_status().json())
        except httpx2.TransportError:  # the API is being started again
            return False
        return bool(seen[-1]["finishedAt"] is not None)

    await eventually(has_ended, seconds=seconds)
    return seen[-1]


async def erase(client: httpx2.AsyncClient, email: str) -> Json:
    """The certificate."""
    return await until_erased(client, await order_erasure(client, email))


async def suppress(database: asyncpg.Connection, email: str, *, key: str = KEY) -> None:
    person_hash = PersonHash(SecretStr(key))
    await database.execute(
        "INSERT INTO suppressions (person, key_id) VALUES ($1, $2)", person_hash.of(folded(email)), person_hash.key_id
    )
