"""What is broken can be found from probes, status, metrics, logs and the runbook alone, and each message names it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
import pytest

from shared.amqp.topology import REQUESTS_QUEUE
from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support import servers as test_servers
from tests.support.failpoint_settings import slow_consumer
from tests.support.operator import logged, ready_reasons, runbook_rows, sample, says, status_of, troubles
from tests.support.own_broker import FULL_DISK, ROOM_AGAIN, OwnBroker, own_broker, vhost_on
from tests.support.own_postgres import OwnPostgres, own_postgres
from tests.support.servers import Servers
from tests.support.services import Backends, Kind, Service, Services
from tests.support.system import System
from tests.support.uploads import send
from tests.support.waiting import eventually

NO_POSTGRES = "the Postgres of ROLLCALL_DATABASE_URL: nothing listens at its host and port"
NO_RABBITMQ = "cannot connect to the RabbitMQ of ROLLCALL_AMQP_URL: nothing listens at its host and port"
ALARM = "RabbitMQ blocks publishers: low on disk"
SECRET = "not-the-password"
QUICK_PUBLISH = {"ROLLCALL_PUBLISH_TIMEOUT_SECONDS": "2"}


@pytest.fixture(scope="module")
def rabbit(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    with own_broker(servers.kind, tmp_path_factory.mktemp("own-broker")) as broker:
        yield broker


@pytest.fixture
async def own_amqp_url(rabbit: OwnBroker, servers: Servers) -> AsyncIterator[str]:
    """A virtual host on the broker that a test may break."""
    async with vhost_on(rabbit, servers) as url:
        yield url


@pytest.fixture
async def postgres(servers: Servers, tmp_path: Path) -> AsyncIterator[OwnPostgres]:
    async with own_postgres(servers.kind, tmp_path) as postgres:
        yield postgres


async def test_postgres_that_is_stopped_is_named_by_all_three_services(
    postgres: OwnPostgres, amqp_url: str, upload_store_url: str, tmp_path: Path
) -> None:
    async with Services(
        Backends(postgres.url, amqp_url, upload_store_url), tmp_path / "logs", SMALL_CHUNKS
    ) as services:
        await services.start_all(consumers=1)
        await postgres.stop()

        for service in services.all:
            await eventually(partial(says, service, "database", NO_POSTGRES))
            assert await sample(service, 'rollcall_check_passed{check="database"}') == 0
            assert NO_POSTGRES in {line["reason"] for line in logged(service, "check failed")}
        # The broker is there, and nobody says otherwise.
        assert (await ready_reasons(services.consumer))[1].keys() == {"database"}
        assert runbook_rows(NO_POSTGRES)

        await postgres.start()
        for service in services.all:
            await service.until_ready()
            assert logged(service, "check passes again")


async def test_rabbitmq_that_is_stopped_is_named_by_all_three_services(
    rabbit: OwnBroker, own_amqp_url: str, database_url: str, upload_store_url: str, tmp_path: Path
) -> None:
    async with Services(
        Backends(database_url, own_amqp_url, upload_store_url), tmp_path / "logs", {}, warm=True
    ) as services:
        await services.start_all(consumers=1)
        await rabbit.stop()

        # Not "consuming" alone: what is wrong is not the consumer.
        await eventually(partial(says, services.consumer, "consuming", NO_RABBITMQ))
        await eventually(partial(says, services.producer, "broker", NO_RABBITMQ))
        await eventually(partial(says, services.api, "broker", NO_RABBITMQ, ready=True))
        status = await status_of(services.api)
        assert status["broker"] == "unavailable"
        assert await troubles(services.api) == {"broker_unavailable": NO_RABBITMQ}
        assert await sample(services.api, 'rollcall_check_passed{check="broker"}') == 0
        assert NO_RABBITMQ in {line["reason"] for line in logged(services.consumer, "broker lost")}
        assert runbook_rows(NO_RABBITMQ)


async def test_upload_that_waits_for_a_consumer_is_told_by_status_and_metrics(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    await services.start("api_service")
    await services.start("producer_service")
    upload_id = await system.upload(mixed.file, mixed.mode)

    async def waits() -> bool:
        return await sample(services.api, f'rollcall_api_broker_queue_messages{{queue="{REQUESTS_QUEUE}"}}') > 0

    await eventually(waits)
    assert await sample(services.api, f'rollcall_api_broker_queue_consumers{{queue="{REQUESTS_QUEUE}"}}') == 0
    assert await sample(services.api, "rollcall_api_unfinished_uploads") == 1
    assert await sample(services.api, "rollcall_api_oldest_unfinished_upload_age_seconds") > 0
    (code,) = found = await troubles(services.api)
    assert code == "no_consumers"
    assert found[code].startswith("No consumer_service is connected to RabbitMQ: 1 unfinished uploads")
    assert runbook_rows("No consumer_service is connected to RabbitMQ")

    await services.start("consumer_service")
    await system.until_finished(upload_id)
    assert await troubles(services.api) == {}
    assert await sample(services.api, "rollcall_api_oldest_unfinished_upload_age_seconds") == 0


async def test_disk_alarm_of_the_broker_is_named_while_an_upload_runs_and_over_when_it_is(
    rabbit: OwnBroker,
    own_amqp_url: str,
    database_url: str,
    upload_store_url: str,
    tmp_path: Path,
) -> None:
    backends = Backends(database_url, own_amqp_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", {**SMALL_CHUNKS, **QUICK_PUBLISH}, warm=True) as services:
        await services.start_all(consumers=1)
        await rabbit.ctl(*FULL_DISK)
        async with httpx2.AsyncClient(base_url=services.api_url, timeout=60) as client:
            assert (await send(client)).status_code == 202

        await eventually(partial(says, services.producer, "broker", ALARM))
        await eventually(partial(says, services.api, "broker", ALARM, ready=True))
        assert (await status_of(services.api))["broker"] == "blocked"
        assert await troubles(services.api) == {"broker_blocked": ALARM}
        for service in (services.api, services.producer):
            assert await sample(service, "rollcall_broker_blocks_publishers") == 1
            assert {line["reason"] for line in logged(service, "RabbitMQ blocks publishers")} == {"low on disk"}
        await eventually(partial(_has_unconfirmed, services.producer))
        assert runbook_rows(ALARM)

        await rabbit.ctl(*ROOM_AGAIN)
        await services.producer.until_ready()
        async with httpx2.AsyncClient(base_url=services.api_url, timeout=60) as client:
            await eventually(partial(_all_succeeded, client), seconds=60)
        await eventually(partial(_has_no_trouble, services.api))
        assert await sample(services.producer, "rollcall_broker_blocks_publishers") == 0


@pytest.mark.parametrize("kind", ["api_service", "producer_service", "consumer_service"])
async def test_wrong_database_password_in_one_service_is_named_and_not_shown(
    kind: Kind, services: Services, database_url: str
) -> None:
    service = services.launch(kind, {"ROLLCALL_DATABASE_URL": _with_password(database_url)})

    reason = "Postgres refuses the user or password of ROLLCALL_DATABASE_URL"
    await eventually(lambda: reason in {line.get("reason") for line in _refusals(service)})
    assert runbook_rows(reason)
    assert SECRET not in service.log.read_text()


@pytest.mark.parametrize("kind", ["api_service", "producer_service", "consumer_service"])
async def test_wrong_broker_password_in_one_service_is_named_and_not_shown(
    kind: Kind, services: Services, amqp_url: str
) -> None:
    service = services.launch(kind, {"ROLLCALL_AMQP_URL": _with_password(amqp_url)})
    await service.until_live()

    reason = "cannot connect to the RabbitMQ of ROLLCALL_AMQP_URL: it refuses the user or password"
    check = "consuming" if kind == "consumer_service" else "broker"
    await eventually(partial(says, service, check, reason, ready=kind == "api_service"))
    assert runbook_rows(reason)
    assert SECRET not in service.log.read_text()


async def test_database_and_virtual_host_that_are_not_there_are_named(
    services: Services, database_url: str, amqp_url: str
) -> None:
    nowhere = services.launch("consumer_service", {"ROLLCALL_DATABASE_URL": f"{database_url}_none"})
    adrift = services.launch("consumer_service", {"ROLLCALL_AMQP_URL": f"{amqp_url}_none"})

    no_database = "Postgres has no database of the name in ROLLCALL_DATABASE_URL"
    await eventually(lambda: no_database in {line.get("reason") for line in _refusals(nowhere)})
    await adrift.until_live()
    no_vhost = "cannot connect to the RabbitMQ of ROLLCALL_AMQP_URL: it has no such virtual host, or not for this user"
    await eventually(partial(says, adrift, "consuming", no_vhost))
    assert runbook_rows(no_database)
    assert runbook_rows(no_vhost)


@pytest.mark.parametrize("kind", ["api_service", "producer_service", "consumer_service"])
async def test_schema_that_is_too_old_ends_the_service_with_what_to_run(
    kind: Kind, services: Services, database_url: str
) -> None:
    await test_servers.execute(database_url, "UPDATE alembic_version SET version_num = '0001'")
    service = services.launch(kind)

    assert await service.ended(seconds=60) != 0
    assert "The database is at schema revision 0001, this service needs" in service.log.read_text()
    assert "docker compose run --rm migrate" in service.log.read_text()
    assert runbook_rows("The database is at schema revision")


async def test_upgrade_service_by_service_during_an_upload_shows_which_release_runs_and_loses_nothing(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    """In the order that the runbook gives, each ended by SIGTERM and started again, as `docker compose up` does."""
    await services.start_all(consumers=2)
    for consumer in services.of("consumer_service"):
        await consumer.terminate()
        await consumer.restart(slow_consumer(0.2))
    upload_id = await system.upload(mixed.file, mixed.mode)
    await system.until_rows_done(upload_id, 500)

    for kind in ("consumer_service", "producer_service", "api_service"):
        for service in services.of(kind):
            await service.terminate()
            assert logged(service, "stopped") or kind == "api_service"
            await service.restart()
    upload = await system.until_finished(upload_id)

    assert await system.differences(upload, mixed.expected) == []
    assert (await status_of(services.api))["versions"]["app"]
    assert await troubles(services.api) == {}


def _refusals(service: Service) -> list[dict[str, object]]:
    return logged(service, "the database refuses this service")


def _with_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{SECRET}@{parts.hostname}:{parts.port}"))


async def _has_unconfirmed(service: Service) -> bool:
    return await sample(service, "rollcall_unconfirmed_publishes_total") > 0


async def _has_no_trouble(api: Service) -> bool:
    return await troubles(api) == {}


async def _all_succeeded(client: httpx2.AsyncClient) -> bool:
    uploads = (await client.get("/v1/uploads")).raise_for_status().json()["data"]
    return {upload["status"] for upload in uploads} == {"succeeded"}
