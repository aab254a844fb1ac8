"""A preview is a draft still: it is changed, cancelled, started, or expires; and nothing of it reaches its upload."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.operations.retention import purge
from api_service.settings import ApiSettings
from producer_service.uploads import leases
from shared.rows.csv_format import NEWEST_READER_VERSION
from shared.store_identity import StoreIdentity
from shared.upload_store import UploadStore
from tests.integration.api_service.uploads.drafts.test_drafts import EARLIER_PRODUCERS_TAKE, change, draft, start
from tests.integration.api_service.uploads.previews.conftest import Json, Previewing, counts
from tests.support.uploads import HEADER, SMALL_CSV
from tests.support.waiting import eventually

ROWS = HEADER + b"".join(b"P %d,Fjord,+4722550102,p%d@fjord.example\n" % (at, at % 5) for at in range(8))


async def notes(database: asyncpg.Connection) -> tuple[int, int, int, int]:
    tables = ("upload_previews", "preview_chunks", "preview_notes", "preview_rejects")
    return (*[await database.fetchval(f"SELECT count(*) FROM {table}") for table in tables],)


async def post(api: httpx2.AsyncClient, upload: Json, what: str, **body: object) -> tuple[int, str | None]:
    answer = await api.post(f"/v1/uploads/{upload['id']}/{what}", json=body or None)
    return answer.status_code, answer.json().get("code")


async def test_preview_is_found_in_lists_rows_and_rejects_and_goes_when_it_is_started(previewing: Previewing) -> None:
    api = previewing.api
    made = await previewing.draft(ROWS + b"Bad,Fjord,x,bad\n")
    await previewing.preview(made)
    listed = (await api.get("/v1/uploads?status=previewed")).json()["data"]
    assert [upload["id"] for upload in listed] == [made["id"]]
    assert (await api.get("/v1/status")).json()["uploads"]["previewed"] == 1
    rows = (await api.get(f"/v1/uploads/{made['id']}/rows?outcome=duplicate&limit=2")).json()
    assert ([row["rowNumber"] for row in rows["data"]], rows["totalData"]) == ([6, 7], 3)
    rejected = (await api.get(f"/v1/uploads/{made['id']}/rejects")).json()
    assert ([reject["rowNumber"] for reject in rejected["data"]], rejected["totalData"]) == ([9], 1)
    assert (await api.get("/v1/dead-letters")).json()["data"] == []
    only = (await api.get(f"/v1/uploads/{made['id']}/results.csv?outcome=rejected,duplicate")).text
    assert only.count("\n") == 1 + 3 + 1

    upload = await previewing.start(made)
    assert upload["status"] == "partially_succeeded"

    async def gone() -> bool:
        return await notes(previewing.database) == (0, 0, 0, 0)

    await eventually(gone)
    assert (await previewing.until(made, "partially_succeeded"))["preview"]["inserted"] == 5


async def test_start_if_unchanged_is_refused_once_employees_have_changed(previewing: Previewing) -> None:
    api = previewing.api
    made = await previewing.draft(ROWS, onDuplicate="update")
    assert await post(api, made, "start", ifUnchanged=True) == (409, "not_previewed")
    assert (await post(api, made, "start", ifUnchangd=True))[0] == 422
    await previewing.preview(made)
    await previewing.uploaded(HEADER + b"Other,Fjord,+4722550102,P3@fjord.example\n")
    answer = await api.post(f"/v1/uploads/{made['id']}/start", json={"ifUnchanged": True})
    drifted = answer.json()
    assert (answer.status_code, drifted["code"]) == (409, "preview_drifted")
    assert drifted["previewed"] == {"inserted": 5, "updated": 0, "duplicates": 3, "rejected": 0}
    assert drifted["now"] == {"inserted": 4, "updated": 1, "duplicates": 3, "rejected": 0}
    # What it says by now is what it then does.
    again = await previewing.preview(made)
    assert (again["preview"]["inserted"], again["preview"]["updated"]) == (4, 1)
    await previewing.uploaded(HEADER + b"Other,Fjord,+4722550102,p1@fjord.example\n")
    upload = await previewing.start(made, ifUnchanged=False)
    assert (upload["inserted"], upload["preview"]["inserted"]) == (3, 4)


async def test_previewed_draft_that_is_changed_is_a_draft_again(previewing: Previewing) -> None:
    made = await previewing.draft(ROWS, onDuplicate="skip")
    previewed = await previewing.preview(made)
    sample = await previewing.api.get(f"/v1/uploads/{made['id']}/sample")
    assert len(sample.json()["rows"]) == 8
    changed = (await change(previewing.api, previewed, onDuplicate="reject")).json()
    assert (changed["status"], changed["preview"]) == ("draft", None)
    assert (await previewing.api.get(f"/v1/uploads/{made['id']}/results.csv")).json()["code"] == "not_finished"
    previewed = await previewing.preview(made)
    assert previewed["preview"]["rejectedBy"] == {"duplicate_email": 3}
    upload = await previewing.start(made, ifUnchanged=True)
    assert counts(upload) == counts(previewed["preview"])


async def test_two_previews_of_the_same_people_know_nothing_of_each_other(previewing: Previewing) -> None:
    drafts = [await previewing.draft(ROWS) for _ in range(3)]
    previewed = await asyncio.gather(*map(previewing.preview, drafts))
    assert [upload["preview"]["inserted"] for upload in previewed] == [5, 5, 5]
    upload = await previewing.start(drafts[0], ifUnchanged=True)
    assert upload["inserted"] == 5
    assert await post(previewing.api, drafts[1], "start", ifUnchanged=True) == (409, "preview_drifted")


@pytest.mark.parametrize("state", ["previewing", "previewed"])
async def test_cancel_ends_a_preview_at_once(api: httpx2.AsyncClient, database: asyncpg.Connection, state: str) -> None:
    made = await draft(api)
    assert await post(api, made, "preview") == (202, None)
    assert await post(api, made, "preview") == (202, None)
    assert await post(api, made, "start") == (409, "not_a_draft")
    assert (await change(api, made, onDuplicate="skip")).json()["code"] == "not_a_draft"
    assert (await api.delete(f"/v1/uploads/{made['id']}")).json()["code"] == "not_finished"
    await database.execute("UPDATE uploads SET status = $1", state)
    cancelled = await api.post(f"/v1/uploads/{made['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    assert await post(api, made, "preview") == (409, "not_a_draft")
    assert await database.fetchval("SELECT count(*) FROM upload_leases") == 0
    assert (await api.delete(f"/v1/uploads/{made['id']}")).status_code == 204


async def test_draft_with_a_problem_cannot_be_previewed(api: httpx2.AsyncClient) -> None:
    made = await draft(api, b"Name,Company\nAsha,Initech\n")
    assert await post(api, made, "preview") == (409, "draft_has_problem")
    stale = await api.post(f"/v1/uploads/{(await draft(api))['id']}/preview", headers={"If-Match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "revision_changed")


@pytest.mark.usefixtures("no_turn_of_retention")
async def test_previewed_draft_expires_as_drafts_do(
    api: httpx2.AsyncClient, database: asyncpg.Connection, engine: AsyncEngine, settings: ApiSettings
) -> None:
    made = await draft(api)
    await post(api, made, "preview")
    await database.execute("UPDATE uploads SET status = 'previewed', created_at = now() - $1::interval", timedelta(4))
    store = UploadStore(settings.upload_store_url)
    await StoreIdentity(engine, store, may_be_first=True).require()
    await purge(engine, store, settings)
    expired = (await api.get(f"/v1/uploads/{made['id']}")).json()
    assert (expired["status"], expired["problem"]["code"]) == ("cancelled", "draft_expired")


async def test_producers_take_a_preview_and_those_of_earlier_releases_do_not(
    api: httpx2.AsyncClient, database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    made = await draft(api, SMALL_CSV)
    async with engine.begin() as connection:
        assert await leases.due_uploads(connection, over_bytes=-1, up_to_bytes=1 << 40, limit=9) == []
    await post(api, made, "preview")
    for _ in range(2):
        assert await database.fetchval(EARLIER_PRODUCERS_TAKE, NEWEST_READER_VERSION) == 0
        async with engine.begin() as connection:
            (upload_id,) = await leases.due_uploads(connection, over_bytes=-1, up_to_bytes=1 << 40, limit=9)
            lease = await leases.acquire(connection, upload_id, owner="one", seconds=60)
            assert lease is not None
            assert await leases.acquire(connection, upload_id, owner="other", seconds=60) is None
            await leases.renew(connection, lease, seconds=60)
        assert await database.fetchval(EARLIER_PRODUCERS_TAKE, NEWEST_READER_VERSION) == 0
        async with engine.begin() as connection:
            await leases.release(connection, lease, after_seconds=-1)
    await database.execute("UPDATE uploads SET status = 'previewed'")
    assert (await start(api, made)).status_code == 202
    assert await database.fetchval(EARLIER_PRODUCERS_TAKE, NEWEST_READER_VERSION) == 0
    async with engine.begin() as connection:
        started = await leases.acquire(connection, upload_id, owner="one", seconds=60)
    # Whoever still holds the preview's lease holds nothing of the upload's.
    assert started is not None
    assert lease is not None
    assert started.fence > lease.fence
