"""Clients that hang up in the middle of an upload, of an export, of a long poll: nothing of them is left."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import psutil
import pytest

from shared.amqp.topology import UPLOADS_QUEUE
from tests.support import leaks
from tests.support.hanging_up import Caller
from tests.support.services import Service, Services
from tests.support.system import System
from tests.support.uploads import HEADER, SMALL_CSV, insert_rejects, send, stored_files
from tests.support.waiting import eventually

AT_ONCE: Final = 4
ROUNDS: Final = 4
# More than the kernel takes off a sender's hands.
ANSWER_BYTES: Final = 8 * 1024 * 1024
# Several times what an upload keeps in memory before it writes.
BODY_BYTES: Final = 12 * 1024 * 1024
# What the uploads of one round would leave if anything held on to them. Peaks differ by how much is under way at once.
GROWTH_MIB: Final = AT_ONCE * BODY_BYTES / 1024**2

# More calls come at once than its pool has connections.
PATIENT: Final = {"ROLLCALL_API_DATABASE_POOL_TIMEOUT_SECONDS": "60"}

ROW: Final = SMALL_CSV.removeprefix(HEADER)


class Held(NamedTuple):
    """By an API that idles. Its database connections stay in their pools, and are counted apart."""

    tasks: float
    descriptors: int
    broker_connections: int


async def held_by(api: Service) -> Held:
    connections = leaks.connections_of(api)
    descriptors = psutil.Process(api.pid).num_fds()
    return Held(await api.metric("rollcall_tasks"), descriptors - connections.database, connections.broker)


@pytest.fixture
async def upload_id(services: Services, system: System) -> UUID:
    """Of an upload with a large file and as many rejects, in a table with as many employees."""
    await services.start("api_service", PATIENT)
    answer = await send(system.client, HEADER + ROW * (ANSWER_BYTES // len(ROW)))
    upload_id = UUID(answer.json()["id"])
    await insert_rejects(system.database, upload_id, [(row, ["x" * 1000]) for row in range(1, ANSWER_BYTES // 1000)])
    await system.database.execute(
        "INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)"
        " SELECT repeat('n', 180), repeat('c', 180), '1234567', n || '@firm.example', 1, n, false"
        " FROM generate_series(1, $1::int) AS n",
        ANSWER_BYTES // 500,
    )
    await system.broker.take(UPLOADS_QUEUE, 1)  # it is to stay as it is
    return upload_id


@pytest.mark.fault(25)
async def test_clients_that_hang_up_in_the_middle_leave_nothing(
    services: Services, system: System, upload_id: UUID, upload_store_url: str
) -> None:
    api, caller = services.api, Caller(services.api_url)
    exports = [
        "/v1/employees.csv",
        "/v1/employees.csv?searchTerm=firm.example",
        f"/v1/uploads/{upload_id}/rejects.csv",
        f"/v1/uploads/{upload_id}/file",
    ]
    for export in exports:
        assert len((await system.client.get(export)).content) > ANSWER_BYTES // 2
    (kept,) = stored_files(upload_store_url)
    idle = await held_by(api)

    memory = []
    for _ in range(ROUNDS):
        for export in exports:
            await asyncio.gather(*(caller.hang_up_in_answer(export, after_bytes=200_000) for _ in range(AT_ONCE)))
        await asyncio.gather(*(_hang_up_in_upload(caller, upload_store_url) for _ in range(AT_ONCE)))
        await _hang_up_in_long_polls(api, caller)
        memory.append(api.peak_memory_mib())

    assert await leaks.lasting(partial(_more_than, idle, api)) == []
    assert await leaks.lasting(partial(_busy_connections, system.database)) == []
    assert await system.database.fetchval("SELECT count(*) FROM uploads") == 1
    assert stored_files(upload_store_url) == [kept]
    assert memory[-1] - memory[0] < GROWTH_MIB


async def _hang_up_in_upload(caller: Caller, upload_store_url: str) -> None:
    writer = await caller.begin_upload(ROW * (BODY_BYTES // len(ROW)))
    await eventually(lambda: any("#" in path.name for path in stored_files(upload_store_url)))
    writer.transport.abort()


async def _hang_up_in_long_polls(api: Service, caller: Caller) -> None:
    async def waiting(receivers: int) -> bool:
        return await api.metric("rollcall_api_queue_receivers_waiting") == receivers

    order = {"consumerId": "c", "limit": 1, "visibilityTimeoutSeconds": 30, "waitSeconds": 20}
    polls = [await caller.call_and_wait("/v1/queues/empty/receive", order) for _ in range(AT_ONCE)]
    await eventually(partial(waiting, AT_ONCE))
    for poll in polls:
        poll.transport.abort()
    await eventually(partial(waiting, 0), seconds=10, exactly=True)  # half of what they would have waited


async def _more_than(idle: Held, api: Service) -> list[str]:
    now = await held_by(api)
    return [
        f"{name}: {held}, not {most}" for name, most, held in zip(Held._fields, idle, now, strict=True) if held > most
    ]


async def _busy_connections(database: asyncpg.Connection) -> list[str]:
    busy = await database.fetch(
        "SELECT application_name, state, query FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name <> '' AND state <> 'idle'"
    )
    return [str(tuple(row)) for row in busy]
