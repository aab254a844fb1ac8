"""P8: whatever goes wrong, no log line, ours or a server's, holds a word of what was uploaded or searched for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.conftest import SMALL_CHUNKS, MixedUpload
from tests.support import servers as test_servers
from tests.support.broker import open_broker
from tests.support.failpoint_settings import CONSUMER, killing_consumer
from tests.support.mixed_file import person
from tests.support.own_broker import OwnBroker, own_broker
from tests.support.own_postgres import own_postgres
from tests.support.reference import read_records
from tests.support.servers import Servers
from tests.support.services import Backends, Services
from tests.support.system import UPLOAD, System
from tests.support.waiting import eventually

# A database that refuses some rows, and quotes them in its error and in the error's detail.
REFUSE_AND_QUOTE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION '% is not welcome', NEW.employee_name
            USING ERRCODE = 'check_violation', DETAIL = NEW.company_name || ' ' || NEW.mobile_no || ' ' || NEW.email;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON employees FOR EACH ROW WHEN (NEW.email LIKE '%.4001@%')
        EXECUTE FUNCTION refuse();
"""
# Postgres quotes the whole row in the detail of such an error.
REFUSE_BY_CONSTRAINT = "ALTER TABLE employees ADD CONSTRAINT unwelcome CHECK (email NOT LIKE '%.4001@%')"
SEARCH_TERM = "searched-for"
# Shorter ones stand in logs by chance.
SHORTEST = 6


async def test_logs_of_a_run_with_every_kind_of_failure_hold_no_employee_and_no_search_term(
    services: Services, system: System, mixed: MixedUpload, tmp_path: Path
) -> None:
    await system.database.execute(REFUSE_AND_QUOTE)
    doomed = services.launch("consumer_service", killing_consumer("consumer.inside_transaction", after=3))
    services.launch("producer_service")
    await services.start("api_service")

    upload_id = await system.upload(mixed.file, mixed.mode)
    await doomed.ended(seconds=60)
    await doomed.restart({CONSUMER: ""})
    upload = await system.until_finished(upload_id)
    assert upload["rejectedBy"]["internal_error"] >= 1
    await system.until_drained()
    await system.client.get("/v1/employees", params={"searchTerm": SEARCH_TERM, "limit": 0})
    found = await system.client.get("/v1/employees", params={"searchTerm": person(1).name})
    assert found.json()["size"] >= 1
    await system.client.get("/v1/employees.csv", params={"searchTerm": SEARCH_TERM})
    await _upload_a_file_that_is_refused(system)
    for service in services.all:
        await service.terminate()

    logs = services.logs().lower()
    assert upload_id in logs
    assert "row by row" in logs
    leaked = [value for value in _values(mixed.file) if value in logs]
    assert leaked == []
    assert SEARCH_TERM not in logs


@pytest.fixture
def rabbit(servers: Servers, tmp_path: Path) -> Iterator[OwnBroker]:
    with own_broker(servers.kind, tmp_path) as broker:
        yield broker


@pytest.mark.fault(29)
async def test_logs_of_postgres_and_rabbitmq_hold_no_employee_and_no_search_term(
    servers: Servers, rabbit: OwnBroker, mixed: MixedUpload, upload_store_url: str, tmp_path: Path
) -> None:
    amqp_url = await test_servers.create_vhost(rabbit.instead_of(servers))
    async with own_postgres(servers.kind, tmp_path) as postgres:
        await test_servers.execute(postgres.url, REFUSE_BY_CONSTRAINT)
        backends = Backends(postgres.url, amqp_url, upload_store_url)
        async with (
            Services(backends, tmp_path / "logs", SMALL_CHUNKS, warm=True) as services,
            open_broker(amqp_url) as broker,
            httpx2.AsyncClient(base_url=services.api_url, timeout=120) as client,
        ):
            doomed = services.launch("consumer_service", killing_consumer("consumer.inside_transaction", after=3))
            services.launch("producer_service")
            await services.start("api_service")
            with mixed.file.open("rb") as content:
                sent = await client.post(
                    UPLOAD, files={"employee_data": ("mixed.csv", content)}, data={"onDuplicate": mixed.mode}
                )
            await doomed.ended(seconds=60)
            await doomed.restart({CONSUMER: ""})
            await broker.request(json.dumps({"kind": "chunk", "rows": [person(1)]}).encode())

            async def is_finished() -> bool:
                upload = (await client.get(f"/v1/uploads/{sent.json()['id']}")).json()
                return upload["finishedAt"] is not None and upload["rejectedBy"].get("internal_error", 0) >= 1

            await eventually(is_finished, seconds=90)
            await client.get("/v1/employees", params={"searchTerm": SEARCH_TERM})
            for service in services.all:
                await service.terminate()
        # In this order a run says first whether the errors happened at all.
        log = postgres.log().lower()
        assert "duplicate key value violates" in log
        assert "violates check constraint" in log
        assert "client unexpectedly closed tcp connection" in rabbit.log().lower()
        log += rabbit.log().lower()
    assert [value for value in _values(mixed.file) if value in log] == []
    assert SEARCH_TERM not in log


async def _upload_a_file_that_is_refused(system: System) -> None:
    headless = ",".join(person(1)[:3]).encode()
    answer = await system.client.post("/v1/employee-data-upload", files={"employee_data": ("headless.csv", headless)})
    assert answer.status_code == 422


def _values(file: Path) -> set[str]:
    """Every cell, as it may stand in a JSON line."""
    header, records = read_records(file)
    cells = {cell.strip() for record in records for cell in record.cells}
    spelt = {each.lower() for cell in cells for each in (cell, json.dumps(cell)[1:-1]) if len(each) >= SHORTEST}
    return spelt - set(header.columns)
