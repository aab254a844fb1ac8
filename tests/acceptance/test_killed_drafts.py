"""An API that is killed while it changes a draft or starts it: the draft is what it was, or it is started."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.conftest import MixedUpload
from tests.support.failpoint_settings import API, killing_api
from tests.support.services import KILLED, Services
from tests.support.system import System
from tests.support.uploads import send, stored_files
from tests.support.waiting import eventually
from tests.support.workbooks import xlsx

OFTEN = {"ROLLCALL_API_RETENTION_INTERVAL_SECONDS": "0.2"}
HEADER = ["employee_name", "company_name", "mobile_no", "email"]


@pytest.mark.fault(43)
async def test_draft_whose_api_was_killed_at_its_start_is_found_by_the_sweeper(
    services: Services, system: System, mixed: MixedUpload
) -> None:
    await asyncio.gather(
        services.start("api_service", killing_api("api.before_announce")),
        services.start("producer_service"),
        services.start("consumer_service"),
    )
    sent = await send(system.client, mixed.file.read_bytes(), start="draft", onDuplicate="skip")
    draft = sent.json()
    address = f"/v1/uploads/{draft['id']}"
    changed = await system.client.patch(
        address, json={"onDuplicate": mixed.mode}, headers={"If-Match": sent.headers["ETag"]}
    )
    assert changed.json()["status"] == "draft"
    with pytest.raises(httpx2.TransportError):
        await system.client.post(f"{address}/start")
    assert await services.api.ended() == KILLED
    await services.api.restart({API: ""})

    again = await system.client.post(f"{address}/start")
    assert (again.status_code, again.json()["code"]) == (409, "not_a_draft")
    upload = await system.until_finished(draft["id"])
    assert await system.differences(upload, mixed.expected) == []


@pytest.mark.fault(43)
async def test_draft_whose_api_was_killed_at_its_change_is_as_it_was_and_the_other_sheet_is_swept(
    services: Services, system: System, upload_store_url: str
) -> None:
    await services.start("api_service", OFTEN | killing_api("api.before_draft_change"))
    person = ["Asha Rao", "Initech", "+91 98765 43210", "asha@example.com"]
    content = xlsx(("One", [HEADER, person]), ("Two", [HEADER, person, ["B", "C", "1234567", "b@example.com"]]))
    draft = (await send(system.client, content, filename="staff.xlsx", start="draft")).json()
    address = f"/v1/uploads/{draft['id']}"
    before = set(stored_files(upload_store_url))
    with pytest.raises(httpx2.TransportError):
        await system.client.patch(address, json={"sheet": "Two"}, headers={"If-Match": "*"})
    assert await services.api.ended() == KILLED
    (left_over,) = set(stored_files(upload_store_url)) - before
    await services.api.restart(OFTEN | {API: ""})
    assert (await system.client.get(address)).json() == draft

    # A day later it is marked, and another day later deleted.
    _make_a_day_old(left_over)
    mark = left_over.with_name(f"{left_over.name}.unknown")
    await eventually(mark.exists)
    _make_a_day_old(mark)
    await eventually(lambda: set(stored_files(upload_store_url)) == before)

    started = await system.client.post(f"{address}/start")
    assert started.status_code == 202
    await asyncio.gather(services.start("producer_service"), services.start("consumer_service"))
    assert (await system.until_finished(draft["id"]))["inserted"] == 1


def _make_a_day_old(path: Path) -> None:
    a_day_ago = time.time() - 25 * 3600
    os.utime(path, (a_day_ago, a_day_ago))
