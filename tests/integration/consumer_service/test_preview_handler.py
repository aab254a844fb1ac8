"""A chunk of a preview is handled as one of an upload, once, and leaves nothing but notes."""

from __future__ import annotations

import json
import uuid
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.preview_handler import PreviewHandler
from shared.messages import ChunkRequest, PreviewChunkRequest, PreviewReply, decode_reply, decode_request, encode
from shared.rows.layout import Layout
from shared.service.failpoints import Failpoints
from tests.integration.consumer_service.conftest import AddUpload
from tests.support.chunks import BAD_EMAIL, RAISES, chunk, cursed, row, rows
from tests.support.pipeline import consumer_settings


def preview_chunk(plain: ChunkRequest, preview_id: int) -> PreviewChunkRequest:
    values = msgspec.structs.asdict(plain) | {"version": 4, "preview_id": preview_id}
    return PreviewChunkRequest(**values)


def handler(engine: AsyncEngine, database_url: str, failpoints: str = "") -> PreviewHandler:
    return PreviewHandler(engine, consumer_settings(database_url), Failpoints(failpoints), uuid.uuid4())


@pytest.fixture
async def preview_id(database: asyncpg.Connection) -> int:
    number: int = await database.fetchval("INSERT INTO upload_previews DEFAULT VALUES RETURNING id")
    return number


async def noted(database: asyncpg.Connection) -> list[tuple[Any, ...]]:
    return [tuple(each) for each in await database.fetch("SELECT row_number, email FROM preview_notes ORDER BY 1")]


async def rejected(database: asyncpg.Connection) -> dict[int, str]:
    return {each["row_number"]: each["code"] for each in await database.fetch("SELECT * FROM preview_rejects")}


async def test_chunk_is_noted_once_and_answered_alike_however_often_it_comes(
    engine: AsyncEngine, database: asyncpg.Connection, database_url: str, add_upload: AddUpload, preview_id: int
) -> None:
    upload_id = await add_upload(status="previewing", preview_id=preview_id)
    request = preview_chunk(chunk(upload_id, [row("Ann@Example.com"), BAD_EMAIL, row("bo@example.com")]), preview_id)
    assert decode_request(encode(request)) == request
    previews = handler(engine, database_url)
    first = await previews.handle(request, careful=False)
    assert await previews.handle(request, careful=False) == first
    assert await previews.handle(request, careful=True) == first
    assert first.letters == []
    assert isinstance(first.reply, PreviewReply)
    assert decode_reply(encode(first.reply)) == first.reply
    assert (first.reply.outcome, first.reply.counts.inserted, first.reply.counts.rejected) == ("done", 2, 1)
    assert await noted(database) == [(1, "ann@example.com"), (3, "bo@example.com")]
    assert await rejected(database) == {2: "invalid_email"}
    for table in ("employees", "rejected_rows", "unpublished_letters", "upload_chunks", "row_markers"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.parametrize("state", ["previewed", "draft", "queued", "running", "cancelled", "another preview"])
async def test_chunk_that_comes_late_joins_nothing(
    engine: AsyncEngine,
    database: asyncpg.Connection,
    database_url: str,
    add_upload: AddUpload,
    preview_id: int,
    state: str,
) -> None:
    status = "previewing" if state == "another preview" else state
    upload_id = await add_upload(status=status, preview_id=preview_id + (state == "another preview"))
    request = preview_chunk(chunk(upload_id, rows(2)), preview_id)
    handled = await handler(engine, database_url).handle(request, careful=False)
    assert handled.reply.outcome == "closed"
    assert await noted(database) == []
    assert await database.fetchval("SELECT count(*) FROM preview_chunks") == 0


async def test_row_at_which_the_service_fails_is_rejected_alone(
    engine: AsyncEngine, database: asyncpg.Connection, database_url: str, add_upload: AddUpload, preview_id: int
) -> None:
    upload_id = await add_upload(status="previewing", preview_id=preview_id, on_duplicate="reject")
    cells = [row("a@example.com"), cursed("b@example.com"), row("c@example.com")]
    request = preview_chunk(chunk(upload_id, cells), preview_id)
    for careful in (False, True):
        await database.execute("DELETE FROM preview_chunks; DELETE FROM preview_notes; DELETE FROM preview_rejects")
        await handler(engine, database_url, RAISES).handle(request, careful=careful)
        assert [number for number, _ in await noted(database)] == [1, 3]
        assert await rejected(database) == {2: "internal_error"}
    # Of a row that may be refused for who is there its cells are kept, so that it can be told.
    stored = await database.fetch("SELECT line_number, cells FROM preview_notes ORDER BY row_number")
    assert [(each["line_number"], json.loads(each["cells"])) for each in stored] == [(2, cells[0]), (4, cells[2])]


async def test_row_at_which_three_consumers_died_is_poison_in_a_preview_too(
    engine: AsyncEngine, database: asyncpg.Connection, database_url: str, add_upload: AddUpload, preview_id: int
) -> None:
    upload_id = await add_upload(status="previewing", preview_id=preview_id)
    marker = "INSERT INTO row_markers (upload_id, row_number, consumers) VALUES ($1, 2, $2)"
    await database.execute(marker, upload_id, [uuid.uuid4() for _ in range(3)])
    request = preview_chunk(chunk(upload_id, rows(3)), preview_id)
    handled = await handler(engine, database_url).handle(request, careful=True)
    assert handled.letters == []
    assert [number for number, _ in await noted(database)] == [1, 3]
    assert await rejected(database) == {2: "poison_row"}
    assert await database.fetchval("SELECT count(*) FROM row_markers") == 0


async def test_cells_of_any_kind_are_noted(
    engine: AsyncEngine, database: asyncpg.Connection, database_url: str, add_upload: AddUpload, preview_id: int
) -> None:
    upload_id = await add_upload(status="previewing", preview_id=preview_id, on_duplicate="reject")
    odd = [*row("o'brien+x@example.com", name='Ann "A\\B" \\N Å李'), "tab\there\nline\0\ud800\\t"]
    layout_row = [*row("bo@example.com"), ""]
    plain = chunk(upload_id, [odd, layout_row])
    request = preview_chunk(msgspec.structs.replace(plain, layout=Layout(len(odd), plain.layout.columns)), preview_id)
    await handler(engine, database_url).handle(request, careful=False)
    (first, _) = await database.fetch("SELECT email, cells FROM preview_notes ORDER BY row_number")
    assert first["email"] == "o'brien+x@example.com"
    assert json.loads(first["cells"]) == [*odd[:-1], "tab\there\nline\ufffd\ufffd\\t"]
