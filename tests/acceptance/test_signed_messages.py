"""Signatures are turned on, and a key is changed, while uploads run: nothing is lost, and nothing valid is refused."""

from __future__ import annotations

import asyncio

from shared.amqp.topology import REQUESTS_QUEUE
from tests.acceptance.conftest import MixedUpload
from tests.support.checker import count_differences, table_differences
from tests.support.failpoint_settings import slow_consumer
from tests.support.services import Service, Services
from tests.support.system import System
from tests.support.waiting import eventually

KEY, NEXT_KEY = "a" * 32, "b" * 32
ACCEPT = {"ROLLCALL_MESSAGE_KEY": KEY, "ROLLCALL_UNSIGNED_MESSAGES": "accept"}
REFUSE = {"ROLLCALL_MESSAGE_KEY": KEY, "ROLLCALL_UNSIGNED_MESSAGES": "refuse"}
KNOWN = {"ROLLCALL_MESSAGE_KEY": f"{KEY},{NEXT_KEY}"}
USED = {"ROLLCALL_MESSAGE_KEY": f"{NEXT_KEY},{KEY}"}
ALONE = {"ROLLCALL_MESSAGE_KEY": NEXT_KEY}


async def replace(service: Service, environment: dict[str, str]) -> None:
    await service.terminate()
    await service.restart(environment)


async def test_signatures_are_turned_on_and_the_key_is_changed_while_uploads_run(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    consumers = [services.launch("consumer_service", slow_consumer(0.15)) for _ in range(2)]
    producer = services.launch("producer_service")
    await services.start("api_service")
    rejected = len(mixed.expected.rejects)
    for environment in (ACCEPT, REFUSE, KNOWN, USED, ALONE):
        upload_id = await system.upload(mixed.file, mixed.mode)
        await system.until_rows_done(upload_id, 1)
        # Half of them at a time: there is always somebody who does not sign yet, or signs with the other key.
        for half in ((consumers[0], producer), (services.api, consumers[1])):
            await asyncio.gather(*(replace(service, environment) for service in half))
        upload = await system.until_finished(upload_id)
        assert (upload["status"], upload["unprocessed"]) == ("partially_succeeded", 0)
        assert upload["rejected"] == rejected
    assert await table_differences(system.database, mixed.expected) == []
    assert await system.database.fetchval("SELECT count(*) FROM malformed_messages") == 0


async def test_who_skips_the_step_of_accepting_loses_nothing_either(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    producer = services.launch("producer_service")
    await services.start("api_service")
    upload_id = await system.upload(mixed.file, mixed.mode)
    await eventually(lambda: system.broker.has_ready(REQUESTS_QUEUE, 8))

    # Its unsigned chunks wait, and all come back with the key at once.
    await producer.terminate()
    await replace(services.api, REFUSE)
    await services.start("consumer_service", REFUSE)
    await producer.restart(REFUSE)
    upload = await system.until_finished(upload_id)

    assert count_differences(upload, mixed.expected) == []
    assert await table_differences(system.database, mixed.expected) == []
    # They are accounted for as what they are, and no row of theirs was taken by this way.
    unsigned = "SELECT count(*) FROM malformed_messages WHERE reason LIKE '%not signed%'"
    assert await system.database.fetchval(unsigned) == 8
    assert (await system.client.get("/v1/dead-letters")).json()["totalData"] >= 8
