"""Uploads side by side: the window bounds how much of one stands in the queue in front of another (P6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer_service.uploads.lanes import SMALL_BYTES
from shared.amqp.topology import BULK_REQUESTS_QUEUE
from shared.upload_status import FINAL_STATES
from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import slow_consumer
from tests.support.jobs import order_redrive, until_ended, watch
from tests.support.mixed_file import write_mixed_file
from tests.support.services import Services
from tests.support.system import System
from tests.support.uploads import HEADER
from tests.support.waiting import eventually


async def test_small_upload_does_not_wait_behind_a_large_one(
    services: Services, system: System, mixed: MixedUpload, tmp_path: Path
) -> None:
    small = tmp_path / "small.csv"
    write_mixed_file(small, 50, bad_share=0, duplicate_share=0)
    services.launch("consumer_service", slow_consumer(0.4))
    services.launch("producer_service")
    await services.start("api_service")
    large_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(large_id, 300)

    finished = await system.until_finished(await system.upload(small))
    large = await system.state(large_id)

    assert finished["status"] == "succeeded"
    assert large["status"] not in FINAL_STATES
    assert large["rowsDone"] < mixed.expected.rows_read / 2
    assert (await system.until_finished(large_id))["rowsRead"] == mixed.expected.rows_read


@pytest.mark.fault(28)
async def test_small_upload_does_not_wait_behind_more_large_ones_than_a_producer_takes(
    services: Services, system: System, tmp_path: Path
) -> None:
    large, small = tmp_path / "large.csv", tmp_path / "small.csv"
    write_mixed_file(large, 25_000, bad_share=0, duplicate_share=0)
    write_mixed_file(small, 10, bad_share=0, duplicate_share=0)
    assert large.stat().st_size > SMALL_BYTES
    services.launch("consumer_service", slow_consumer(0.1))
    services.launch("producer_service", {"ROLLCALL_PRODUCER_MAX_UPLOADS": "2"})
    await services.start("api_service")
    large_ids = [await system.upload(large) for _ in range(4)]
    await system.until_rows_done(large_ids[0], 300)

    finished = await system.until_finished(await system.upload(small))

    assert finished["status"] == "succeeded"
    still_large = [await system.state(upload_id) for upload_id in large_ids]
    assert [upload["status"] for upload in still_large] == ["running", "running", "queued", "queued"]
    for upload_id in large_ids:
        (await system.client.post(f"/v1/uploads/{upload_id}/cancel")).raise_for_status()
    for upload_id in large_ids:
        assert (await system.until_finished(upload_id))["status"] == "cancelled"


@pytest.mark.fault(28)
async def test_small_upload_does_not_wait_behind_a_redrive(services: Services, system: System, tmp_path: Path) -> None:
    bad, small = tmp_path / "bad.csv", tmp_path / "small.csv"
    bad.write_bytes(HEADER + b"Asha Rao,Initech,9876543210,nobody\n" * 1_500)
    write_mixed_file(small, 10, bad_share=0, duplicate_share=0)
    services.launch("consumer_service", slow_consumer(0.6))
    services.launch("producer_service")
    await services.start("api_service")
    rejected = await system.until_finished(await system.upload(bad))
    job = await order_redrive(system.client, uploadId=rejected["id"])
    await eventually(lambda: bulk_requests_wait(system))

    finished = await system.until_finished(await system.upload(small))

    assert finished["status"] == "succeeded"
    at_its_end = await watch(system.client, job)
    assert (at_its_end["state"], at_its_end["total"]) == ("running", 1_500)
    assert (await until_ended(system.client, job, seconds=90))["done"] == 1_500


async def bulk_requests_wait(system: System) -> bool:
    return (await system.broker.state(BULK_REQUESTS_QUEUE)).ready > 0
