"""P8: whatever goes wrong, no log line holds a word of what was uploaded or searched for."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import CONSUMER, killing_consumer
from tests.support.mixed_file import HEADER, person
from tests.support.services import Services
from tests.support.system import System

# A database that refuses some rows, and quotes them in its error and in the error's detail.
REFUSE_AND_QUOTE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION '% is not welcome', NEW.employee_name
            USING ERRCODE = 'check_violation', DETAIL = NEW.company_name || ' ' || NEW.mobile_no || ' ' || NEW.email;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON employees FOR EACH ROW WHEN (NEW.email LIKE '%.4001@%')
        EXECUTE FUNCTION refuse();
"""
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


async def _upload_a_file_that_is_refused(system: System) -> None:
    headless = ",".join(person(1)[:3]).encode()
    answer = await system.client.post("/v1/employee-data-upload", files={"employee_data": ("headless.csv", headless)})
    assert answer.status_code == 422


def _values(file: Path) -> set[str]:
    """Every cell, as it may stand in a JSON line."""
    values = set()
    with file.open(encoding="utf-8", newline="") as lines:
        for cells in csv.reader(lines):
            for cell in cells:
                for spelt in (cell.strip(), json.dumps(cell.strip())[1:-1]):
                    if len(spelt) >= SHORTEST:
                        values.add(spelt.lower())
    return values - set(HEADER.strip().split(","))
