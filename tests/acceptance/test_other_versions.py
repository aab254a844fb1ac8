"""Releases run side by side, and an upload survives an upgrade in the middle of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.messages import NEWEST_VERSION
from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import slow_consumer
from tests.support.services import KILLED, Services
from tests.support.system import System
from tests.support.tree_copy import copy_tree
from tests.support.waiting import eventually


def newer_release(folder: Path) -> Path:
    """This tree with messages of the next version, which this release cannot know."""
    messages = copy_tree(folder) / "shared" / "messages.py"
    text = messages.read_text()
    for old, new in (
        (f"NEWEST_VERSION: Final = {NEWEST_VERSION}\n", f"NEWEST_VERSION: Final = {NEWEST_VERSION + 1}\n"),
        ("PLAIN_VERSION: Final = 1\n", f"PLAIN_VERSION: Final = {NEWEST_VERSION + 1}\n"),
    ):
        assert text.count(old) == 1, f"{old!r} is not in messages.py as this test knows it"
        text = text.replace(old, new)
    messages.write_text(text)
    return folder


@pytest.mark.fault(33)
async def test_old_and_new_services_side_by_side_lose_nothing_in_either_order(
    services: Services, system: System, mixed: MixedUpload, tmp_path: Path
) -> None:
    newer = newer_release(tmp_path / "newer")
    await services.start("api_service")
    old_consumer = await services.start("consumer_service")
    new_producer = services.launch("producer_service", checkout=newer)
    upload_id = await system.upload(mixed.file, mixed.mode)

    async def old_consumer_gave_back() -> bool:
        return await old_consumer.metric("rollcall_consumer_newer_messages_total") >= 3

    await eventually(old_consumer_gave_back, seconds=60)
    assert await system.chunks(upload_id) == []
    new_consumer = services.launch("consumer_service", checkout=newer)
    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []
    assert await system.database.fetchval("SELECT count(*) FROM malformed_messages") == 0

    # And the other way round: a producer that cannot read its replies.
    await new_producer.terminate()
    await old_consumer.terminate()
    old_producer = await services.start("producer_service")
    again = await system.until_finished(await system.upload(mixed.file, mixed.mode))
    assert (again["status"], again["unprocessed"]) == (upload["status"], 0)
    assert await old_producer.metric("rollcall_producer_newer_replies_total") >= 1
    assert new_consumer.is_alive


@pytest.mark.fault(32)
async def test_upload_whose_next_producer_cuts_other_chunks_ends_like_an_undisturbed_one(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    for _ in range(2):
        services.launch("consumer_service", slow_consumer(0.2))
    services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 1)
    services.producer.kill()
    assert await services.producer.ended() == KILLED

    # As if a release had changed a border's rule without a version. Chunks of the old borders may still be under way.
    await system.database.execute("UPDATE uploads SET chunk_rows = chunk_rows * 2 / 3 WHERE id = $1", upload_id)
    services.launch("producer_service")

    upload = await system.until_finished(upload_id)
    assert await system.differences(upload, mixed.expected) == []
    rows = [row for first_row, count in await system.chunks(upload_id) for row in range(first_row, first_row + count)]
    assert rows == list(range(1, upload["rowsRead"] + 1))
