"""With three brokers, any one of them can be stopped or killed during an upload."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import asyncpg
import httpx2
import pytest

from deploy import container_engine
from tests.acceptance.conftest import MixedUpload
from tests.support.broker import open_broker
from tests.support.cluster import NODES, Cluster, running_cluster
from tests.support.patience import patience
from tests.support.services import Backends, Services
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.long,
    pytest.mark.fault(10),
    pytest.mark.skipif(not container_engine.engine_answers(), reason="a cluster needs a Docker engine"),
]

QUEUES = [
    "employees.bulk-requests",
    "employees.dead-chunks",
    "employees.dead-letters",
    "employees.requests",
    "uploads.announced",
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    # 120 chunks, two at a time: the upload outlasts six outages, which are longer ones on a busy machine.
    with running_cluster(tmp_path, consumers=2, chunk_seconds=3.5 * min(patience(), 2), chunk_rows=50) as cluster:
        yield cluster


@pytest.fixture
async def system(cluster: Cluster, tmp_path: Path) -> AsyncIterator[System]:
    """Its services are the containers'."""
    database = await asyncpg.connect(cluster.database_url)
    client = httpx2.AsyncClient(base_url=cluster.api_url, timeout=60)
    none = Services(Backends(cluster.database_url, cluster.amqp_url, ""), tmp_path, {})
    async with open_broker(cluster.amqp_url) as broker, client:
        yield System(none, client, broker, cluster.amqp_url, cluster.database_url, database)
    await database.close()


async def test_any_node_can_be_stopped_or_killed_during_an_upload(
    cluster: Cluster, system: System, mixed: MixedUpload
) -> None:
    await eventually(partial(_has_all_members, cluster), seconds=60)
    upload_id = await system.upload(mixed.file, mixed.mode)

    for outage in (cluster.stop, cluster.kill):
        for node in NODES:
            await system.until_rows_done(upload_id, 1)
            await outage(node)
            done = (await system.state(upload_id))["rowsDone"]
            await system.until_rows_done(upload_id, done + 200)
            await cluster.start(node)

    await cluster.hurry_consumers()
    upload = await system.until_finished(upload_id, seconds=300)
    assert await system.differences(upload, mixed.expected, after_crash=True) == []
    await eventually(partial(_has_all_members, cluster), seconds=60)


async def _has_all_members(cluster: Cluster) -> bool:
    return await _members(cluster) == {queue: len(NODES) for queue in QUEUES}


async def _members(cluster: Cluster) -> dict[str, int]:
    """Of each queue that lasts, how many nodes hold it now."""
    async with httpx2.AsyncClient(auth=("rollcall", "rollcall"), timeout=30) as client:
        queues = (await client.get(f"{cluster.management_url}/api/queues/rollcall")).raise_for_status().json()
    return {each["name"]: len(each["online"]) for each in queues if each["type"] == "quorum"}
