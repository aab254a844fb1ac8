"""What the API says of the system and of itself."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx2
from pydantic import SecretStr

from api_service.settings import ApiSettings
from shared.amqp.topology import (
    BULK_REQUESTS_QUEUE,
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_QUEUE,
    REQUESTS_QUEUE,
    UPLOADS_QUEUE,
)
from shared.database.schema_check import REQUIRED_REVISION
from tests.support.api import running_api
from tests.support.broker import Broker
from tests.support.database_faults import terminate_sessions
from tests.support.dead_letters import until_acquainted
from tests.support.tcp_proxy import tcp_proxy
from tests.support.uploads import insert_upload
from tests.support.waiting import eventually

NO_BROKER = SecretStr("amqp://127.0.0.1:1/none")
NO_RABBITMQ = "cannot connect to the RabbitMQ of ROLLCALL_AMQP_URL: nothing listens at its host and port"


async def test_status_shows_queues_uploads_and_versions(
    api: httpx2.AsyncClient, settings: ApiSettings, database: asyncpg.Connection, broker: Broker
) -> None:
    await until_acquainted(settings, database)
    for status in ("running", "running", "failed"):
        await insert_upload(database, status=status)
    await broker.publish(DEAD_LETTERS_QUEUE, b"{}")
    async with broker.answering_requests(lambda _: never()):
        body = (await api.get("/v1/status")).json()
    assert body["broker"] == "available"
    assert body["queues"] == {
        UPLOADS_QUEUE: {"messages": 0, "consumers": 0},
        REQUESTS_QUEUE: {"messages": 0, "consumers": 1},
        BULK_REQUESTS_QUEUE: {"messages": 0, "consumers": 0},
        DEAD_LETTERS_QUEUE: {"messages": 1, "consumers": 0},
        DEAD_CHUNKS_QUEUE: {"messages": 0, "consumers": 0},
    }
    assert {state: count for state, count in body["uploads"].items() if count} == {"running": 2, "failed": 1}
    assert body["versions"]["schema"] == REQUIRED_REVISION
    assert all(body["versions"].values())


async def never() -> None:
    raise AssertionError("nothing was requested")


async def test_status_answers_without_a_broker(settings: ApiSettings) -> None:
    async with running_api(settings.model_copy(update={"amqp_url": NO_BROKER})) as api:
        body = (await api.get("/v1/status")).json()
    assert body["broker"] == "unavailable"
    assert set(body["queues"]) == {
        UPLOADS_QUEUE,
        REQUESTS_QUEUE,
        BULK_REQUESTS_QUEUE,
        DEAD_LETTERS_QUEUE,
        DEAD_CHUNKS_QUEUE,
    }
    assert all(queue == {"messages": None, "consumers": None} for queue in body["queues"].values())
    assert body["versions"]["rabbitmq"] is None
    assert body["troubles"] == [{"code": "broker_unavailable", "detail": NO_RABBITMQ}]


async def test_the_api_is_ready_without_a_broker_and_says_so(settings: ApiSettings) -> None:
    async with running_api(settings.model_copy(update={"amqp_url": NO_BROKER})) as api:
        answer = await api.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"database": "ok", "uploadStore": "ok", "broker": "failed"},
        "reasons": {"broker": NO_RABBITMQ},
    }


async def test_the_api_is_not_ready_without_its_database_but_alive(settings: ApiSettings, database_url: str) -> None:
    async with tcp_proxy(database_url) as proxy:
        elsewhere = settings.model_copy(update={"database_url": SecretStr(proxy.url)})
        async with running_api(elsewhere) as api:
            proxy.cut()
            answer = await api.get("/readyz")
            assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "failed")
            assert answer.json()["reasons"]["database"].startswith("the Postgres of ROLLCALL_DATABASE_URL: ")
            assert (await api.get("/livez")).status_code == 200
            answer = await api.get("/v1/status")
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) > 0


async def test_what_the_metrics_cannot_know_they_do_not_say(settings: ApiSettings, database_url: str) -> None:
    async with tcp_proxy(database_url) as proxy:
        elsewhere = {"database_url": SecretStr(proxy.url), "amqp_url": NO_BROKER}
        async with running_api(settings.model_copy(update=elsewhere)) as api:
            assert "rollcall_api_unfinished_uploads 0.0\n" in (await api.get("/metrics")).text
            proxy.cut()
            said = (await api.get("/metrics")).text
    assert "rollcall_api_unfinished_uploads NaN\n" in said
    assert "rollcall_api_oldest_unfinished_upload_age_seconds NaN\n" in said
    assert 'rollcall_check_passed{check="database"} 0.0\n' in said
    assert 'rollcall_check_passed{check="uploadStore"} 1.0\n' in said
    assert "rollcall_api_broker_queue_messages{" not in said


async def test_password_that_was_changed_under_the_api_is_503_and_no_fault_of_the_request(
    settings: ApiSettings, database: asyncpg.Connection, database_url: str
) -> None:
    role = f"role_{database_url.rpartition('/')[2]}"
    await database.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'old'")
    parts = urlsplit(database_url)
    own_url = urlunsplit(parts._replace(netloc=f"{role}:old@{parts.hostname}:{parts.port}"))
    try:
        async with running_api(settings.model_copy(update={"database_url": SecretStr(own_url)})) as api:
            await database.execute(f"ALTER ROLE {role} PASSWORD 'new'")

            async def is_out() -> bool:
                # A session that was just being made by the old password shows only now.
                await terminate_sessions(database, f"usename = '{role}'")
                answers = [await api.get(path) for path in ("/v1/uploads", "/v1/employees")]
                assert {answer.status_code for answer in answers} <= {200, 503}
                return {answer.status_code for answer in answers} == {503}

            await eventually(is_out)
            for path in ("/v1/uploads", "/v1/employees"):
                answer = await api.get(path)
                assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            reason = (await api.get("/readyz")).json()["reasons"]["database"]
            assert reason == "Postgres refuses the user or password of ROLLCALL_DATABASE_URL"
    finally:
        await database.execute(f"DROP ROLE {role}")
