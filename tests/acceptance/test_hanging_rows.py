"""A row that never ends is found and set aside like one that kills its consumer, and holds nobody else up for ever."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.support.failpoint_settings import ROW_TIMEOUT, row_that_hangs
from tests.support.mixed_file import person, write_mixed_file
from tests.support.reference import read_top_to_bottom
from tests.support.services import Services
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(38)

HANGING_ROW: Final = 57
ROWS: Final = 100
# What a row may take, and a chunk; neither is near it but for the one row, however busy the machine is.
PATIENCE: Final = {
    ROW_TIMEOUT: "8",
    "ROLLCALL_LOCK_TIMEOUT_SECONDS": "2",
    "ROLLCALL_DATABASE_ANSWER_TIMEOUT_SECONDS": "10",
}
# A second copy of the chunk would have deaths of its own.
NO_COPIES: Final = {"ROLLCALL_PRODUCER_REPUBLISH_SECONDS": "600"}
_HANG = """
    CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_sleep(3600);
        RETURN NEW;
    END $$;
    CREATE TRIGGER hang BEFORE INSERT ON employees FOR EACH ROW WHEN (NEW.email = '{email}') EXECUTE FUNCTION hang();
"""
_HANGING_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hanging.csv"
    write_mixed_file(path, ROWS, bad_share=0, duplicate_share=0)
    return path


async def test_row_at_which_a_consumer_stands_still_is_poison_and_the_rest_of_its_chunk_goes_in(
    services: Services, system: System, file: Path
) -> None:
    hanging = row_that_hangs(person(HANGING_ROW).email) | PATIENCE
    consumers = [services.launch("consumer_service", hanging, restarts_when_dead=True) for _ in range(2)]
    services.launch("producer_service", NO_COPIES)
    await services.start("api_service")

    upload = await system.until_finished(await system.upload(file), seconds=180)

    assert 5 <= sum(consumer.deaths for consumer in consumers) <= 8
    expected = read_top_to_bottom(file, failing_rows={HANGING_ROW: "poison_row"})
    assert await system.differences(upload, expected, after_crash=True) == []


async def test_row_at_which_the_database_hangs_is_poison_and_no_process_has_to_die_for_it(
    services: Services, system: System, file: Path
) -> None:
    await system.database.execute(_HANG.format(email=person(HANGING_ROW).email))
    consumers = [services.launch("consumer_service", PATIENCE) for _ in range(2)]
    services.launch("producer_service", NO_COPIES)
    await services.start("api_service")

    upload = await system.until_finished(await system.upload(file), seconds=180)

    assert sum([await consumer.metric("rollcall_consumer_hung_rows_total") for consumer in consumers]) == 3
    expected = read_top_to_bottom(file, failing_rows={HANGING_ROW: "poison_row"})
    assert await system.differences(upload, expected, after_crash=True) == []
    # What was given up is given up by the database too.
    await eventually(partial(_nobody_hangs, system))


async def _nobody_hangs(system: System) -> bool:
    return bool(await system.database.fetchval(_HANGING_SESSIONS) == 0)
