"""Who follows an upload is told at once how it moves, and when it is finished; however many follow, it costs one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import uuid
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import asyncpg
import httpx2
import pytest

from api_service.uploads.events import live_uploads, routes
from deploy.program import free_port, is_free
from tests.integration.api_service.uploads.conftest import Process
from tests.support.api_process import start_api
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.uploads import SMALL_CSV, insert_upload, send
from tests.support.waiting import eventually

MOVE = "UPDATE uploads SET rows_done = rows_done + 1, revision = revision + 1 WHERE id = $1 RETURNING revision"
FINISH = (
    "UPDATE uploads SET status = 'succeeded', finished_at = now(), revision = revision + 1 WHERE id = $1"
    " RETURNING revision"
)
LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"


class Event(NamedTuple):
    name: str
    id: int
    upload: dict[str, Any]


class Stream:
    """The events of an answer, one by one; comments are passed over."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> Event | None:
        """None: the stream is closed."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20 * patience()):
            async for line in self._lines:
                if not line and fields:
                    return Event(fields["event"], int(fields["id"]), json.loads(fields["data"]))
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
        return None


@contextlib.asynccontextmanager
async def follow(api: httpx2.AsyncClient, upload_id: object, last: object = None) -> AsyncIterator[Stream]:
    headers = {} if last is None else {b"Last-Event-ID": str(last).encode()}
    async with api.stream("GET", f"/v1/uploads/{upload_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(answer)


@pytest.fixture
async def upload_id(database: asyncpg.Connection) -> uuid.UUID:
    return await insert_upload(database, status="running")


async def test_viewer_sees_an_upload_as_it_is_then_each_move_and_its_end(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_id: uuid.UUID
) -> None:
    path = f"/v1/uploads/{upload_id}"
    async with follow(api, upload_id) as stream:
        first = await stream.next()
        assert first == ("progress", 1, (await api.get(path)).json())
        for _ in range(3):
            revision = await database.fetchval(MOVE, upload_id)
            assert await stream.next() == ("progress", revision, (await api.get(path)).json())
        revision = await database.fetchval(FINISH, upload_id)
        assert await stream.next() == ("finished", revision, (await api.get(path)).json())
        assert await stream.next() is None

    async with follow(api, upload_id) as stream:
        assert [event.name async for event in _all(stream)] == ["progress", "finished"]


async def test_who_comes_back_is_told_what_he_does_not_know(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_id: uuid.UUID
) -> None:
    async with follow(api, upload_id, last=1) as stream:
        waiting = asyncio.create_task(stream.next())
        revision = await database.fetchval(MOVE, upload_id)
        moved = await waiting
        assert moved is not None
        assert moved[:2] == ("progress", revision)
    for garbage in ("", "x", "-1", "٣", "9" * 30):
        async with follow(api, upload_id, last=garbage) as stream:
            again = await stream.next()
            assert again is not None
            assert again[:2] == ("progress", revision)

    finished = await database.fetchval(FINISH, upload_id)
    async with follow(api, upload_id, last=revision) as stream:
        assert [event[:2] async for event in _all(stream)] == [("finished", finished)]
    answer = await api.get(f"/v1/uploads/{upload_id}/events", headers={"Last-Event-ID": str(finished)})
    assert (answer.status_code, answer.content) == (204, b"")
    # A redrive changes it once more.
    changed = await database.fetchval(MOVE, upload_id)
    async with follow(api, upload_id, last=finished) as stream:
        assert [event[:2] async for event in _all(stream)] == [("finished", changed)]


async def test_there_is_no_stream_of_what_there_is_not_and_one_ends_with_its_upload(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_id: uuid.UUID
) -> None:
    answer = await api.get(f"/v1/uploads/{uuid.uuid4()}/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_upload")
    async with follow(api, upload_id) as stream:
        assert await stream.next() is not None
        await database.execute("DELETE FROM uploads WHERE id = $1", upload_id)
        assert await stream.next() is None


async def test_fifty_viewers_cost_one_connection_and_one_read_a_change_and_nothing_once_they_have_gone(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[live_uploads.LiveUpload] = []

    class Noted(live_uploads.LiveUpload):
        def __init__(self) -> None:
            super().__init__()
            followed.append(self)

    begun = ended = 0
    read = live_uploads._read

    async def counted(*arguments: Any) -> live_uploads.Snapshot | None:
        nonlocal begun, ended
        begun += 1
        try:
            return await read(*arguments)
        finally:
            ended += 1

    monkeypatch.setattr(live_uploads, "LiveUpload", Noted)
    monkeypatch.setattr(live_uploads, "_read", counted)
    async with contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(follow(api, upload_id))]
        # The first is shown the upload once its changes are heard. Who joins later is shown what is known, and it is
        # read for him again meanwhile.
        assert (await streams[0].next() or [])[1] == 1
        streams += [await stack.enter_async_context(follow(api, upload_id)) for _ in range(49)]
        assert {(await stream.next() or [])[1] for stream in streams[1:]} == {1}
        await eventually(lambda: begun == ended and not any(each._stale.is_set() for each in followed))
        before = begun
        revision = await database.fetchval(MOVE, upload_id)
        assert {(await stream.next() or [])[1] for stream in streams} == {revision}
        assert begun == before + 1
        assert await database.fetchval(LISTENERS, live_uploads.APPLICATION_NAME) == 1

    async def nobody_listens() -> bool:
        return bool(await database.fetchval(LISTENERS, live_uploads.APPLICATION_NAME) == 0)

    await eventually(nobody_listens)


async def test_nothing_is_missed_while_the_listening_connection_is_lost(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_uploads, "RETRY_SECONDS", 0.1)
    async with follow(api, upload_id) as stream:
        assert await stream.next() is not None
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = $1",
            live_uploads.APPLICATION_NAME,
        )
        revision = await database.fetchval(FINISH, upload_id)
        finished = await stream.next()
        assert finished is not None
        assert finished[:2] == ("finished", revision)


async def test_viewers_are_bounded_and_a_silent_stream_says_that_it_lives(
    api: httpx2.AsyncClient, upload_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_uploads, "MOST_VIEWERS", 1)
    monkeypatch.setattr(routes, "COMMENT_SECONDS", 0.1)
    async with api.stream("GET", f"/v1/uploads/{upload_id}/events", headers={"Last-Event-ID": "1"}) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == ": nothing new"
        refused = await api.get(f"/v1/uploads/{upload_id}/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "service_busy")
        assert refused.headers["Retry-After"]


async def test_file_on_its_way_is_followed_to_its_end(api: httpx2.AsyncClient, process: Process) -> None:
    upload = (await send(api, SMALL_CSV)).json()
    async with follow(api, upload["id"]) as stream:
        events = [event async for event in _all(stream)]

    assert [event.name for event in events] == ["progress"] * (len(events) - 1) + ["finished"]
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert events[-1].upload == (await api.get(f"/v1/uploads/{upload['id']}")).json()
    assert events[-1].upload["status"] == "succeeded"


async def test_a_service_that_ends_does_not_wait_for_its_viewers(
    database_url: str, amqp_url: str, upload_store_url: str, upload_id: uuid.UUID
) -> None:
    port = free_port()
    process = await start_api(port, database_url, amqp_url, upload_store_url)
    async with plain_client(f"http://127.0.0.1:{port}", timeout=30 * patience()) as api:
        await eventually(lambda: not is_free(port), seconds=30)
        async with follow(api, upload_id) as stream:
            assert await stream.next() is not None
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(httpx2.RemoteProtocolError):
                assert await stream.next() is None
    output, _ = await asyncio.wait_for(process.communicate(), 30 * patience())
    assert process.returncode == 0
    assert b"Finished server process" in output
    # Which uvicorn says of requests that it waited for in vain.
    assert b"graceful shutdown exceeded" not in output


async def _all(stream: Stream) -> AsyncIterator[Event]:
    while (event := await stream.next()) is not None:
        yield event
