"""Every operation of both APIs is asked what its description lets one ask, and more, with each scope and without a key.

Schemathesis makes the requests and checks each answer: no error of ours, no status, header or document that is not
described, nothing reached without its scope (`tests/support/schemathesis`). `-m long` makes many more of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import product
from pathlib import Path

import asyncpg
import httpx2
import pytest

from tests.acceptance.conftest import SMALL_CHUNKS
from tests.support.api import api_settings
from tests.support.keys import bearer, make_key, until_known
from tests.support.mixed_file import write_mixed_file
from tests.support.plain_http import plain_client
from tests.support.schemathesis.runs import Target, Values, findings
from tests.support.services import Backends, Services
from tests.support.uploads import HEADER, send
from tests.support.waiting import eventually

SCOPES = ("read", "upload", "metrics", "queues:emails", "queues:*")
# Two cores: more at once would only wait for each other.
AT_ONCE = 2
LONG_EXAMPLES = 50
FILE_ROWS, DRAFTS, EMPLOYEES, KEYS = 500, 3, 20, 10


@pytest.fixture
async def services(backends: Backends, tmp_path: Path) -> AsyncIterator[Services]:
    guarded = {**SMALL_CHUNKS, "ROLLCALL_AUTHENTICATION": "on", "ROLLCALL_ERASURE_KEY": "k" * 40}
    guarded["ROLLCALL_API_PUSH_NETWORKS"] = "127.0.0.0/8"
    async with Services(backends, tmp_path / "logs", guarded, warm=True) as services:
        yield services


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def keys(backends: Backends) -> dict[str, str]:
    """A key for each scope, all of one name, so that the uploads are `upload`'s own, too."""
    settings = api_settings(*backends)
    return {scope: await make_key(settings, scope, name="somebody") for scope in (*SCOPES, "admin")}


@pytest.fixture
async def admin(services: Services, keys: dict[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
    await services.start_all(consumers=1)
    async with plain_client(services.api_url, timeout=120) as client:
        client.headers.update(bearer(keys["admin"]))
        await until_known(client, keys["admin"])
        yield client


async def test_nothing_is_answered_otherwise_than_it_is_described(
    services: Services,
    keys: dict[str, str],
    admin: httpx2.AsyncClient,
    database: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    """With the scope that reaches everything, and once more with each that must not."""
    api = Target(services.api_url, keys, await prepare(admin, database, tmp_path))
    producer = Target(services.producer.url, keys, api.values)
    found = await asyncio.gather(
        findings(api, "admin", tmp_path, phases="coverage", examples=1),
        findings(producer, "admin", tmp_path, phases="coverage,fuzzing", examples=20),
    )
    require_nothing(services, found)


@pytest.mark.long
async def test_nothing_is_answered_otherwise_than_it_is_described_whoever_asks(
    services: Services,
    keys: dict[str, str],
    admin: httpx2.AsyncClient,
    database: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    values = await prepare(admin, database, tmp_path)
    targets = [Target(url, keys, values) for url in (services.api_url, services.producer.url)]
    turns = asyncio.Semaphore(AT_ONCE)

    async def found_by(scope: str, target: Target) -> str:
        async with turns:
            return await findings(
                target, scope, tmp_path, phases="examples,coverage,fuzzing,stateful", examples=LONG_EXAMPLES
            )

    everybody = ("nobody", *keys)
    require_nothing(services, await asyncio.gather(*(found_by(*each) for each in product(everybody, targets))))


def require_nothing(services: Services, found: Sequence[str]) -> None:
    assert not any(found), "\n\n".join(filter(None, found))
    assert all(service.is_alive and not service.deaths for service in services.all)


async def prepare(admin: httpx2.AsyncClient, database: asyncpg.Connection, folder: Path) -> Values:
    """Some of everything that has an id, and the ids."""
    write_mixed_file(folder / "mixed.csv", FILE_ROWS, bad_share=0.1, duplicate_share=0.1)
    content = (folder / "mixed.csv").read_bytes()
    finished = [(await send(admin, content, onDuplicate=mode)).json()["id"] for mode in ("update", "skip", "reject")]
    drafts = [
        (await send(admin, HEADER + b"Asha Rao,Initech,12,asha@example.com\n", start="draft")).json()["id"]
        for _ in range(DRAFTS)
    ]

    async def all_finished() -> bool:
        query = "SELECT count(*) FROM uploads WHERE finished_at IS NOT NULL"
        return bool(await database.fetchval(query) == len(finished))

    await eventually(all_finished, seconds=120)
    rows = await database.fetch("SELECT row_number FROM rejected_rows WHERE upload_id = $1 LIMIT 20", finished[0])
    employees = await database.fetch("SELECT id FROM employees ORDER BY id LIMIT $1", EMPLOYEES)
    letters = (await admin.post("/v1/dead-letters/redrive", json={"code": "invalid_email", "limit": 1})).json()
    new_keys = [
        (await admin.post("/v1/keys", json={"name": f"for nothing {number}", "scopes": ["metrics"]})).json()["id"]
        for number in range(KEYS)
    ]
    erasure = (await admin.post("/v1/erasures", json={"email": "nobody@example.com"})).json()
    messages, receipts = await _prepare_queues(admin)
    return {
        "uploads": [*finished, *drafts],
        "employees": [row["id"] for row in employees],
        "rows": [row["row_number"] for row in rows],
        "corrections": ["00000000-0000-0000-0000-000000000000"],
        "jobs": [letters["id"]],
        "erasures": [erasure["id"]],
        "keys": new_keys,
        "queues": ["emails", "jobs", "default"],
        "messages": messages,
        "receipts": receipts,
    }


async def _prepare_queues(admin: httpx2.AsyncClient) -> tuple[list[int], list[str]]:
    messages: list[int] = []
    for queue in ("emails", "jobs", "default"):
        sent = await admin.post(
            f"/v1/queues/{queue}/messages", json={"messages": [{"payload": number} for number in range(50)]}
        )
        messages += sent.raise_for_status().json()["ids"][:5]
    leased = await admin.post(
        "/v1/queues/emails/receive", json={"consumerId": "a", "limit": 10, "visibilityTimeoutSeconds": 3600}
    )
    return messages, [message["receipt"] for message in leased.raise_for_status().json()["messages"]]
