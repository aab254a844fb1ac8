"""Whoever was erased does not come in again by any way, and what a row of theirs said is kept nowhere."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.chunk_handler import ChunkHandler
from consumer_service.preview_handler import PreviewHandler
from consumer_service.redrive_handler import RedriveHandler
from consumer_service.single_handler import SingleHandler
from shared.database.suppressions import ErasureKeyWrong, Suppressions
from shared.messages import CorrectionRequest, EmployeeRequest, PreviewChunkRequest, RedriveRequest
from shared.rows.named_people import ERASED
from shared.service.failpoints import Failpoints
from tests.integration.consumer_service.conftest import AddUpload
from tests.support import effects
from tests.support.chunks import RAISES, chunk, cursed, row, rows
from tests.support.effects import Counts
from tests.support.erasures import KEY, suppress
from tests.support.pipeline import consumer_settings

ADA = "Ada@Example.com"
Make = Callable[..., ChunkHandler]


@pytest.fixture
def make_chunks(engine: AsyncEngine, database_url: str) -> Make:
    """The chunk handler of a new consumer, with the key that people are suppressed by."""

    def make(failpoints: str = "", key: str | None = KEY) -> ChunkHandler:
        settings = consumer_settings(database_url, erasure_key=key)
        return ChunkHandler(engine, settings, Failpoints(failpoints), uuid.uuid4())

    return make


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("mode", ["skip", "update", "reject"])
async def test_rows_of_the_erased_are_refused_and_not_kept(
    make_chunks: Make, add_upload: AddUpload, database: asyncpg.Connection, mode: str, *, careful: bool
) -> None:
    await suppress(database, ADA)
    upload_id = await add_upload(on_duplicate=mode)
    cells = [*rows(2), row("ADA@example.com"), row("ada@example.com", mobile="none"), ["x", "ada@example.com"]]
    boss = row("bo@example.com", name="no, ask <ada@example.com>", mobile="none")

    handled = await make_chunks().handle(chunk(upload_id, [*cells, boss]), careful=careful)

    assert set(await effects.employees(database)) == {"person1@example.com", "person2@example.com"}
    assert await effects.ledger_counts(database, upload_id) == Counts(6, 2, 0, 0, 4)
    assert await effects.codes(database, upload_id) == {
        **dict.fromkeys((3, 4, 5), "erased_person"),
        6: "invalid_mobile",
    }
    kept = {reject["row_number"]: json.loads(reject["cells"]) for reject in await effects.rejects(database, upload_id)}
    assert kept[3] == [ERASED] * len(kept[3])
    assert kept[5] == [ERASED, ERASED]
    assert kept[6][0] == f"no, ask <{ERASED}>"
    assert {letter.row_number: letter.cells for letter in effects.letters(handled.letters)} == kept


async def test_row_that_the_reader_broke_is_not_kept_either(
    make_chunks: Make, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    await suppress(database, ADA)
    upload_id = await add_upload()
    broken = ["Ada", 'In"c,1,ada@example.com']

    await make_chunks().handle(chunk(upload_id, [broken, *rows(1)], faults={0: "malformed_quotes"}), careful=False)

    assert await effects.codes(database, upload_id) == {1: "erased_person"}
    [reject] = await effects.rejects(database, upload_id)
    assert json.loads(reject["cells"]) == [ERASED, ERASED]


async def test_who_is_suppressed_or_allowed_counts_from_the_next_chunk_on(
    make_chunks: Make, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    handler = make_chunks()
    outcomes = []
    for turn in range(1, 5):
        upload_id = await add_upload()
        await handler.handle(chunk(upload_id, [row(ADA)]), careful=False)
        outcomes.append(bool(await effects.codes(database, upload_id)))
        match turn:
            case 1:
                await suppress(database, ADA)
            case 2:
                await database.execute("DELETE FROM suppressions")
                await suppress(database, "another@example.com")
            case 3:
                await suppress(database, ADA)
            case _:
                pass
    assert outcomes == [False, True, False, True]


async def test_redrive_of_an_erased_row_leaves_it_erased_and_forgets_its_cells(
    engine: AsyncEngine, make_chunks: Make, add_upload: AddUpload, database: asyncpg.Connection, database_url: str
) -> None:
    upload_id = await add_upload()
    await make_chunks(RAISES).handle(chunk(upload_id, [cursed(ADA), cursed("bo@example.com"), *rows(2)]), careful=False)
    await suppress(database, ADA)
    settings = consumer_settings(database_url, erasure_key=KEY)
    redrives = RedriveHandler(engine, settings, Failpoints(""), uuid.uuid4())

    letters = await redrives.handle(RedriveRequest(upload_id=upload_id, rows=[(1, 1), (2, 1)]), careful=False)

    assert set(await effects.employees(database)) == {"bo@example.com", "person1@example.com", "person2@example.com"}
    assert await effects.codes(database, upload_id) == {1: "erased_person"}
    [reject] = await effects.rejects(database, upload_id)
    assert set(json.loads(reject["cells"])) == {ERASED}
    assert {cell for letter in effects.letters(letters) for cell in letter.cells} == {ERASED}

    await redrives.handle(RedriveRequest(upload_id=upload_id, rows=[(1, 2)]), careful=True)

    assert await effects.codes(database, upload_id) == {1: "erased_person"}
    assert await effects.ledger_counts(database, upload_id) == Counts(4, 3, 0, 0, 1)


async def test_correction_to_an_erased_person_is_refused_and_forgotten(
    engine: AsyncEngine, make_chunks: Make, add_upload: AddUpload, database: asyncpg.Connection, database_url: str
) -> None:
    upload_id = await add_upload()
    await make_chunks().handle(chunk(upload_id, [row("nobody")]), careful=False)
    await suppress(database, ADA)
    correction_id = await database.fetchval("INSERT INTO corrections (upload_id) VALUES ($1) RETURNING id", upload_id)
    await database.execute(
        "INSERT INTO corrected_rows (correction_id, row_number, attempt, cells) VALUES ($1, 1, 1, $2)",
        correction_id,
        json.dumps(row(ADA)),
    )
    redrives = RedriveHandler(engine, consumer_settings(database_url, erasure_key=KEY), Failpoints(""), uuid.uuid4())

    request = CorrectionRequest(upload_id=upload_id, correction_id=correction_id, rows=[(1, 1, row(ADA))])
    await redrives.handle(request, careful=False)

    assert await effects.employees(database) == {}
    assert await effects.codes(database, upload_id) == {1: "erased_person"}
    assert await database.fetchval("SELECT outcome FROM corrected_rows") == "rejected"
    stored = await database.fetch("SELECT cells, original_cells FROM rejected_rows")
    assert [set(json.loads(each["cells"])) for each in stored] == [{ERASED}]
    assert stored[0]["original_cells"] is None
    assert set(json.loads(await database.fetchval("SELECT cells FROM corrected_rows"))) == {ERASED}


async def test_preview_and_single_request_refuse_the_erased(
    engine: AsyncEngine, add_upload: AddUpload, database: asyncpg.Connection, database_url: str
) -> None:
    await suppress(database, ADA)
    preview_id = await database.fetchval("INSERT INTO upload_previews DEFAULT VALUES RETURNING id")
    upload_id = await add_upload(status="previewing", preview_id=preview_id)
    plain = chunk(upload_id, [row(ADA), *rows(1)])
    values = {name: getattr(plain, name) for name in plain.__struct_fields__ if name != "version"}
    settings = consumer_settings(database_url, erasure_key=KEY)
    previews = PreviewHandler(engine, settings, Failpoints(""), uuid.uuid4())

    await previews.handle(PreviewChunkRequest(preview_id=preview_id, **values), careful=False)

    assert await database.fetchval("SELECT array_agg(email) FROM preview_notes") == ["person1@example.com"]
    [reject] = await database.fetch("SELECT code, cells FROM preview_rejects")
    assert (reject["code"], set(json.loads(reject["cells"]))) == ("erased_person", {ERASED})

    named = dict(zip(("employee_name", "company_name", "mobile_no", "email"), row(ADA), strict=False))
    singles = SingleHandler(engine, Failpoints(""), Suppressions(SecretStr(KEY)))
    outcome = await singles.handle(EmployeeRequest(correlation_id=uuid.uuid4(), values=named))

    assert (outcome.outcome, outcome.code, outcome.field) == ("rejected", "erased_person", "email")
    assert await effects.employees(database) == {}


@pytest.mark.parametrize("key", [None, "another secret"])
async def test_consumer_that_cannot_tell_who_was_erased_takes_nobody(
    make_chunks: Make, add_upload: AddUpload, database: asyncpg.Connection, key: str | None
) -> None:
    await suppress(database, ADA)
    upload_id = await add_upload()

    with pytest.raises(ErasureKeyWrong, match="ROLLCALL_ERASURE_KEY"):
        await make_chunks(key=key).handle(chunk(upload_id, rows(2)), careful=False)

    assert await effects.employees(database) == {}


@pytest.mark.parametrize("key", [None, "whatever"])
async def test_where_nobody_is_suppressed_no_key_is_needed(
    make_chunks: Make, add_upload: AddUpload, database: asyncpg.Connection, key: str | None
) -> None:
    await make_chunks(key=key).handle(chunk(await add_upload(), rows(2)), careful=False)

    assert len(await effects.employees(database)) == 2
