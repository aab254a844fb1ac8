"""An erasure finds a person wherever Rollcall knows of them, and says so in a certificate that names nobody."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import uuid
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aio_pika
import asyncpg
import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.settings import ApiSettings
from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from tests.support import effects
from tests.support.api import api_settings, running_api
from tests.support.broker import Broker, open_broker
from tests.support.erasures import ERASURES, KEY, erase, order_erasure, until_erased
from tests.support.jobs import redrive
from tests.support.pipeline import consumer_settings, producer_settings, running_consumer, running_producer, wide_engine
from tests.support.uploads import HEADER, send, stored_files
from tests.support.waiting import eventually
from tests.support.workbooks import xlsx

EMAIL = "Ada.Cole@Heron.example"
ADA = b"Ada Cole,Heron,+493055501,ada.cole@HERON.example\n"
BO = b"Bo Li,Heron,+493055502,bo@heron.example\n"
# What nothing may hold afterwards, in whatever case.
TRACES = ("ada.cole", "cole", "493055501")

Json = dict[str, Any]


class Pipeline(NamedTuple):
    """All three services in this test's event loop."""

    api: httpx2.AsyncClient
    database: asyncpg.Connection
    broker: Broker
    store_url: str

    async def upload(self, content: bytes, **fields: str) -> Json:
        """The upload at its end."""
        answer = await send(self.api, content, **fields)
        assert answer.status_code == 202, answer.text
        return await self.until(answer.json()["id"], "finishedAt")

    async def until(self, upload_id: str, member: str) -> Json:
        seen: list[Json] = []

        async def has_it() -> bool:
            seen.append((await self.api.get(f"/v1/uploads/{upload_id}")).raise_for_status().json())
            return seen[-1][member] is not None

        await eventually(has_it)
        return seen[-1]

    async def until_previewed(self, upload_id: str) -> None:
        async def is_previewed() -> bool:
            return bool((await self.api.get(f"/v1/uploads/{upload_id}")).json()["status"] == "previewed")

        await eventually(is_previewed)

    async def everything(self) -> str:
        """All that the tables, the store and the queues hold, as one text in lower case."""
        tables = [
            row["tablename"]
            for row in await self.database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        held = []
        for table in tables:
            rows = await self.database.fetch(f"SELECT CAST(to_jsonb(t) AS text) AS row FROM {table} AS t")
            held += [f"{table}: {row['row']}" for row in rows]
        held += [path.read_bytes().decode("latin-1") for path in stored_files(self.store_url)]
        held += [message.body.decode() for message in await self.broker.take_all(DEAD_LETTERS_QUEUE)]
        return "\n".join(held).lower()


@pytest.fixture
def settings(database_url: str, amqp_url: str, upload_store_url: str) -> ApiSettings:
    return api_settings(database_url, amqp_url, upload_store_url, erasure_key=KEY, job_lease_seconds=3)


@pytest.fixture
async def pipeline(
    settings: ApiSettings, database: asyncpg.Connection, database_url: str, amqp_url: str, upload_store_url: str
) -> AsyncIterator[Pipeline]:
    consumer = consumer_settings(database_url, amqp_url, erasure_key=KEY)
    producer = producer_settings(database_url, upload_store_url, amqp_url, sweep_seconds=0.2, progress_seconds=0.1)
    engine: AsyncEngine = wide_engine(consumer)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        broker = await stack.enter_async_context(open_broker(amqp_url))
        await broker.declare_topology()
        api = await stack.enter_async_context(running_api(settings))
        await stack.enter_async_context(running_consumer(engine, consumer))
        await stack.enter_async_context(running_producer(engine, producer))
        yield Pipeline(api, database, broker, upload_store_url)


async def test_person_is_erased_from_all_that_uploads_have_left(pipeline: Pipeline, amqp_url: str) -> None:
    first = await pipeline.upload(HEADER + ADA + BO)
    updated = await pipeline.upload(HEADER + ADA.replace(b"Heron,", b"Kestrel,") + BO, onDuplicate="update")
    bad = await pipeline.upload(
        HEADER
        + ADA.replace(b"+493055501", b"no")
        + b'Ada Cole,"H "x,+493055501,ada.cole@heron.example\n'
        + b"Cy,Heron (boss: ada.cole@heron.example),none,cy@heron.example\n"
        + BO,
        filename="ada.cole@heron.example.csv",
        key="of:ada.cole@heron.example",
    )
    corrected = await pipeline.api.post(
        f"/v1/uploads/{bad['id']}/corrections",
        files={
            "employee_data": (
                "r.csv",
                b"row_number," + HEADER + b"1," + ADA.replace(b"+493055501", b"still no"),
            )
        },
    )
    await eventually(lambda: _has_ended(pipeline.api, corrected.headers["Location"]))
    packed = await pipeline.upload(gzip.compress(HEADER + ADA + BO), filename="people.csv.gz")
    sheets = ("Staff", [["employee_name", "company_name", "mobile_no", "email"], ["Bo", "H", "1", "bo@heron.example"]])
    workbook = await pipeline.upload(
        xlsx(sheets, ("Left", [["Ada Cole", "Ada.Cole@heron.example"]])), filename="p.xlsx"
    )
    utf16 = await pipeline.upload((HEADER + ADA + BO).decode().encode("utf-16"))
    untouched = await pipeline.upload(HEADER + BO)
    draft = (await send(pipeline.api, HEADER + ADA + BO, start="draft")).json()
    await pipeline.api.post(f"/v1/uploads/{draft['id']}/preview")
    await pipeline.until_previewed(draft["id"])
    connection = await aio_pika.connect(amqp_url)
    channel = await connection.channel()
    await channel.default_exchange.publish(aio_pika.Message(b'{"who": "ada.cole\\u0040heron.example"}'), REQUESTS_QUEUE)
    await connection.close()
    await eventually(lambda: _are_out(pipeline, 4))

    certificate = await erase(pipeline.api, EMAIL)

    assert certificate["status"] == "succeeded"
    assert certificate["isSuppressed"]
    assert certificate["found"] == {
        "employees": 1,
        "beforeImages": 1,
        "rejectedRows": 3,
        "correctedRows": 1,
        "previews": 1,
        "malformedMessages": 1,
        "requestOutcomes": 0,
        "uploads": 1,
    }
    files = {each["uploadId"]: each for each in certificate["files"]}
    named = (first, updated, bad, packed, workbook, utf16, draft)
    assert set(files) == {each["id"] for each in named}
    assert {each["action"] for key, each in files.items() if key != workbook["id"]} == {"redacted"}
    assert files[workbook["id"]]["action"] == "original_deleted"
    assert (files[bad["id"]]["rows"], files[bad["id"]]["mentions"]) == (2, 1)
    for each in named:
        after = (await pipeline.api.get(f"/v1/uploads/{each['id']}")).json()
        assert files[each["id"]]["sha256After"] == after["sha256"]
        stored = (await pipeline.api.get(f"/v1/uploads/{each['id']}/file")).content
        assert hashlib.sha256(stored).hexdigest() == after["sha256"]
        assert (after["rejected"], after["inserted"]) == (each["rejected"], each["inserted"])
    assert (await pipeline.api.get(f"/v1/uploads/{untouched['id']}")).json() == untouched
    assert (await pipeline.api.get(f"/v1/uploads/{draft['id']}")).json()["status"] == "draft"
    results = (await pipeline.api.get(f"/v1/uploads/{bad['id']}/results.csv")).text
    assert results.count("\n") == 5
    await eventually(lambda: _only_mentions_are_unpublished(pipeline.database))
    held = await pipeline.everything()
    for trace in TRACES:
        assert [line for line in held.splitlines() if trace in line] == []


async def _has_ended(api: httpx2.AsyncClient, correction: str) -> bool:
    return (await api.get(correction)).raise_for_status().json()["finishedAt"] is not None


async def _are_out(pipeline: Pipeline, letters: int) -> bool:
    """The stale letter of the corrected row may be among them, or gone."""
    return (await pipeline.broker.state(DEAD_LETTERS_QUEUE)).ready >= letters


async def _only_mentions_are_unpublished(database: asyncpg.Connection) -> bool:
    return await effects.count_unpublished(database) == 1


async def test_undo_counts_the_erased_as_kept_and_brings_nobody_back(pipeline: Pipeline) -> None:
    uploads = [
        await pipeline.upload(HEADER + ADA + BO, onDuplicate="update"),
        await pipeline.upload(HEADER + ADA + BO, onDuplicate="update"),
        await pipeline.upload(HEADER + ADA, onDuplicate="update"),
    ]
    await erase(pipeline.api, EMAIL)

    for upload in (uploads[1], uploads[2], uploads[0]):
        await pipeline.api.post(f"/v1/uploads/{upload['id']}/undo")
        undone = await pipeline.until(upload["id"], "undoneAt")
        written = undone["inserted"] + undone["updated"]
        assert undone["deleted"] + undone["restored"] + undone["kept"] == written
        assert undone["kept"] == 1
    assert await effects.employees(pipeline.database) == {}
    assert await effects.counted_employees(pipeline.database) == (0, 0)


async def test_erased_person_is_refused_until_allowed_again(pipeline: Pipeline) -> None:
    certificate = await erase(pipeline.api, EMAIL)
    assert certificate["found"] == dict.fromkeys(certificate["found"], 0)

    refused = await pipeline.upload(HEADER + ADA + BO)
    assert (refused["inserted"], refused["rejectedBy"]) == (1, {"erased_person": 1})
    await eventually(lambda: pipeline.broker.has_ready(DEAD_LETTERS_QUEUE, 1))
    job = await redrive(pipeline.api, uploadId=refused["id"])
    assert (job["total"], job["done"]) == (1, 1)
    assert await effects.codes(pipeline.database, uuid.UUID(refused["id"])) == {1: "erased_person"}
    report = (await pipeline.api.get(f"/v1/uploads/{refused['id']}/rejects.csv")).text.lower()
    assert not any(trace in report for trace in TRACES)

    for _ in range(2):
        allowed = await pipeline.api.delete(f"{ERASURES}/{certificate['id']}/suppression")
        assert allowed.status_code == 204
    assert not (await pipeline.api.get(f"{ERASURES}/{certificate['id']}")).json()["isSuppressed"]
    assert (await pipeline.upload(HEADER + ADA))["inserted"] == 1


async def test_erasure_waits_for_an_upload_that_is_read_and_for_older_transactions(
    pipeline: Pipeline, database_url: str
) -> None:
    waiting = (await send(pipeline.api, HEADER + ADA + BO, start="draft")).json()
    other = await asyncpg.connect(database_url)
    older = other.transaction()
    await older.start()
    await other.execute("SELECT FROM uploads FOR KEY SHARE")

    erasure = await order_erasure(pipeline.api, EMAIL)
    again = await order_erasure(pipeline.api, EMAIL.upper())

    assert again["id"] == erasure["id"]

    async def waits_for(what: str) -> bool:
        seen = (await pipeline.api.get(f"{ERASURES}/{erasure['id']}")).json()
        return any(what in each for each in seen["waitsFor"])

    await eventually(lambda: waits_for("older transactions"))
    # What is read must not be rewritten.
    await pipeline.database.execute("UPDATE uploads SET status = 'running'")
    await older.commit()
    await other.close()
    await eventually(lambda: waits_for(waiting["id"]))
    assert ADA in (await pipeline.api.get(f"/v1/uploads/{waiting['id']}/file")).content
    await pipeline.database.execute("UPDATE uploads SET status = 'draft'")

    certificate = await until_erased(pipeline.api, erasure)

    assert [each["uploadId"] for each in certificate["files"]] == [waiting["id"]]
    assert ADA not in (await pipeline.api.get(f"/v1/uploads/{waiting['id']}/file")).content


async def test_draft_that_nobody_can_read_and_a_file_that_is_gone_are_said(
    pipeline: Pipeline, upload_store_url: str
) -> None:
    unreadable = (await send(pipeline.api, b"a,b\n1,ada.cole@heron.example\n", start="draft")).json()
    gone = await pipeline.upload(HEADER + ADA)
    for path in stored_files(upload_store_url):
        if path.name == gone["id"]:
            path.unlink()

    certificate = await erase(pipeline.api, EMAIL)

    assert {each["uploadId"]: each["action"] for each in certificate["files"]} == {
        gone["id"]: "missing",
        unreadable["id"]: "redacted" if unreadable["delimiter"] else "deleted",
    }


async def test_orders_that_cannot_be_taken_say_why(
    settings: ApiSettings, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    for body in ({}, {"email": "ada"}, {"email": "a@b c@d"}, {"email": 3}, {"email": "a@b.example", "all": True}):
        refused = await api.post(ERASURES, json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), body
    unknown = f"{ERASURES}/{uuid.uuid4()}"
    assert (await api.get(unknown)).json()["code"] == "unknown_erasure"
    assert (await api.delete(f"{unknown}/suppression")).json()["code"] == "unknown_erasure"
    certificates = [await erase(api, f"p{number}@heron.example") for number in range(3)]
    listed = (await api.get(ERASURES, params={"limit": 2})).json()
    rest = (await api.get(ERASURES, params={"limit": 2, "cursor": listed["nextCursor"]})).json()
    assert [each["id"] for each in listed["data"] + rest["data"]] == [each["id"] for each in reversed(certificates)]
    assert await database.fetchval("SELECT count(*) FROM erasures WHERE email IS NOT NULL") == 0

    for key, code in ((None, "erasure_key_missing"), ("another", "erasure_key_wrong")):
        async with running_api(settings.model_copy(update={"erasure_key": key and _secret(key)})) as other:
            refused = await other.post(ERASURES, json={"email": "ada@heron.example"})
            assert (refused.status_code, refused.json()["code"]) == (409, code)


def _secret(key: str) -> Any:
    return api_settings("postgresql://x", "amqp://x", "file:///x", erasure_key=key).erasure_key


async def test_file_that_comes_later_is_rewritten_when_its_upload_has_ended(pipeline: Pipeline) -> None:
    await erase(pipeline.api, EMAIL)
    sent = HEADER + ADA + BO
    later = [await pipeline.upload(sent), await pipeline.upload(gzip.compress(sent), filename="people.csv.gz")]
    for upload in later:
        assert upload["rejectedBy"] == {"erased_person": 1}

    async def are_rewritten() -> bool:
        query = "SELECT count(*) FROM uploads WHERE people_erased_at IS NOT NULL"
        unnamed = await effects.count(pipeline.database, "unnamed_objects")
        return bool(await pipeline.database.fetchval(query) == len(later) and not unnamed)

    await eventually(are_rewritten)
    for upload in later:
        stored = (await pipeline.api.get(f"/v1/uploads/{upload['id']}/file")).content
        assert stored == HEADER + b"xxxxxxxx,xxxxx,xxxxxxxxxx,xxxxxxxxxxxxxxxxxxxxxx\n" + BO
        after = (await pipeline.api.get(f"/v1/uploads/{upload['id']}")).json()
        assert hashlib.sha256(stored).hexdigest() == after["sha256"]
    held = await pipeline.everything()
    for trace in TRACES:
        assert [line for line in held.splitlines() if trace in line] == []
