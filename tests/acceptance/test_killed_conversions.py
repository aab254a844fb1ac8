"""An API that is killed while it reads a workbook: no upload, no process that reads on, and files that are swept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import psutil

from api_service.operations.retention import purge
from api_service.uploads.unpacking.workbooks import CONVERTER
from shared.database.engine import create_engine
from shared.upload_store import UploadStore
from tests.support.api import api_settings
from tests.support.services import Services
from tests.support.system import System
from tests.support.uploads import send, stored_files
from tests.support.waiting import eventually
from tests.support.workbooks import slow_xlsx


def converters(processes: Iterable[psutil.Process]) -> set[psutil.Process]:
    """By their command."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end at any moment
            found |= {process} if CONVERTER in process.cmdline() else set()
    return found


async def test_killed_api_leaves_no_upload_and_no_process(
    services: Services, system: System, database_url: str, amqp_url: str, upload_store_url: str
) -> None:
    api = await services.start("api_service")
    sending = asyncio.create_task(send(system.client, slow_xlsx(), filename="staff.xlsx"))
    mine: set[psutil.Process] = set()

    def is_converting() -> bool:
        # Its own, for other tests convert beside this one.
        mine.update(converters(psutil.Process(api.pid).children(recursive=True)))
        return bool(mine)

    await eventually(is_converting, seconds=60)

    api.kill()
    await asyncio.gather(sending, return_exceptions=True)

    # A dead API has no children any more, whatever lives.
    await eventually(lambda: not converters(mine))
    assert await system.database.fetchval("SELECT count(*) FROM uploads") == 0
    settings = api_settings(database_url, amqp_url, upload_store_url).model_copy(update={"orphan_retention_hours": 0})
    engine = create_engine(settings, "test", pool_size=2, pool_timeout_seconds=5)
    try:

        async def is_swept() -> bool:
            # Marked by one turn, deleted by a later one.
            await purge(engine, UploadStore(upload_store_url), settings)
            return stored_files(upload_store_url) == []

        await eventually(is_swept)
    finally:
        await engine.dispose()
