"""A correction tries a rejected row again with other cells: one outcome an attempt, in the row's own upload."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from shared.messages import CorrectionRequest, RedriveRequest
from shared.rows.employee_row import storable
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler, MakeRedrives
from tests.support import effects
from tests.support.broker import Broker
from tests.support.chunks import BAD_EMAIL, RAISES, chunk, cursed, row, rows
from tests.support.effects import Counts
from tests.support.pipeline import consumer_settings, running_consumer
from tests.support.waiting import eventually

Corrected = tuple[int, int, list[str]]


async def correction_of(
    database: asyncpg.Connection, upload_id: uuid.UUID, corrected: Sequence[Corrected]
) -> CorrectionRequest:
    """The request for a correction that waits for these rows: row number, attempt and cells."""
    correction_id = await database.fetchval(
        "INSERT INTO corrections (upload_id, total) VALUES ($1, $2) RETURNING id", upload_id, len(corrected)
    )
    await database.executemany(
        "INSERT INTO corrected_rows (correction_id, row_number, attempt, cells) VALUES ($1, $2, $3, $4)",
        [(correction_id, number, attempt, json.dumps(storable(cells))) for number, attempt, cells in corrected],
    )
    return CorrectionRequest(upload_id=upload_id, correction_id=correction_id, rows=list(corrected))


async def outcomes(database: asyncpg.Connection, request: CorrectionRequest) -> dict[int, str | None]:
    query = "SELECT row_number, outcome FROM corrected_rows WHERE correction_id = $1 ORDER BY row_number"
    return {each["row_number"]: each["outcome"] for each in await database.fetch(query, request.correction_id)}


@pytest.mark.parametrize("careful", [False, True])
async def test_corrected_rows_move_in_table_ledger_and_upload_and_the_last_one_makes_it_succeeded(
    careful: bool, add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(2), BAD_EMAIL, BAD_EMAIL, row("person1@example.com", mobile="1")])
    one = await correction_of(database, upload_id, [(3, 1, row("mended@example.com", name="Mended"))])
    others = await correction_of(database, upload_id, [(4, 1, row("still bad")), (5, 1, row("PERSON1@example.com"))])

    assert await make_redrives().handle(one, careful=careful) == []
    unpublished = await make_redrives().handle(others, careful=careful)

    assert (await outcomes(database, one), await outcomes(database, others)) == (
        {3: "inserted"},
        {4: "rejected", 5: "duplicate"},
    )
    assert (await effects.employees(database))["mended@example.com"][0] == "Mended"
    assert await effects.ledger_counts(database, upload_id) == Counts(5, 3, 0, 1, 1)
    upload = await effects.upload(database, upload_id)
    assert (upload["status"], json.loads(upload["rejected_by"])) == ("partially_succeeded", {"invalid_email": 1})
    (letter,) = effects.letters(unpublished)
    assert (letter.row_number, letter.attempt, letter.cells) == (4, 2, row("still bad"))
    (reject,) = await effects.rejects(database, upload_id)
    assert (json.loads(reject["cells"]), json.loads(reject["original_cells"])) == (row("still bad"), BAD_EMAIL)

    again = await correction_of(database, upload_id, [(4, 2, row("worse"))])
    await make_redrives().handle(again, careful=careful)
    (reject,) = await effects.rejects(database, upload_id)
    assert (json.loads(reject["cells"]), json.loads(reject["original_cells"])) == (row("worse"), BAD_EMAIL)

    last = await correction_of(database, upload_id, [(4, 3, row("last@example.com"))])
    await make_redrives().handle(last, careful=careful)
    upload = await effects.upload(database, upload_id)
    assert (upload["status"], upload["inserted"], upload["rejected_by"]) == ("succeeded", 4, "{}")
    assert await effects.counted_employees(database) == (4, 4)


@pytest.mark.parametrize(("mode", "outcome"), [("skip", "duplicate"), ("update", "updated"), ("reject", "rejected")])
async def test_corrected_row_with_a_known_email_follows_its_uploads_mode(
    mode: str,
    outcome: str,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    add_finished: AddUpload,
    make_redrives: MakeRedrives,
    database: asyncpg.Connection,
) -> None:
    await make_handler().handle(chunk(await add_upload(), [row("known@example.com", name="Before")]), careful=False)
    upload_id = await add_finished([BAD_EMAIL], on_duplicate=mode)
    request = await correction_of(database, upload_id, [(1, 1, row("Known@example.com", name="After"))])

    await make_redrives().handle(request, careful=False)

    assert await outcomes(database, request) == {1: outcome}
    name = (await effects.employees(database))["known@example.com"][0]
    assert name == ("After" if mode == "update" else "Before")
    if mode == "reject":
        assert await effects.codes(database, upload_id) == {1: "duplicate_email"}


async def test_correction_delivered_again_and_to_four_at_once_counts_once(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(2), BAD_EMAIL, BAD_EMAIL])
    request = await correction_of(database, upload_id, [(3, 1, row("a@example.com")), (4, 1, row("bad"))])

    await asyncio.gather(*(make_redrives().handle(request, careful=False) for _ in range(4)))
    await make_redrives().handle(request, careful=False)

    assert await outcomes(database, request) == {3: "inserted", 4: "rejected"}
    assert await effects.ledger_counts(database, upload_id) == Counts(4, 3, 0, 0, 1)
    (reject,) = await effects.rejects(database, upload_id)
    assert (reject["attempt"], json.loads(reject["original_cells"])) == (2, BAD_EMAIL)


async def test_of_two_corrections_and_a_redrive_of_an_attempt_one_moves_the_row(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([BAD_EMAIL])
    one = await correction_of(database, upload_id, [(1, 1, row("one@example.com"))])
    other = await correction_of(database, upload_id, [(1, 1, row("other@example.com"))])
    redrive = RedriveRequest(upload_id=upload_id, rows=[(1, 1)])

    await asyncio.gather(*(make_redrives().handle(each, careful=False) for each in (one, other, redrive)))

    found = [(await outcomes(database, each))[1] for each in (one, other)]
    employees = await effects.employees(database)
    assert len(employees) == found.count("inserted") <= 1
    assert found.count("row_changed") == 2 - len(employees)
    counts = await effects.ledger_counts(database, upload_id)
    assert counts == Counts(1, len(employees), 0, 0, 1 - len(employees))
    if not employees:
        assert (await effects.rejects(database, upload_id))[0]["attempt"] == 2


async def test_rows_that_nobody_waits_for_are_left_alone(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    """Stopped, or settled by the deletion of their letters, or of a correction that is gone."""
    upload_id = await add_finished([BAD_EMAIL, BAD_EMAIL])
    request = await correction_of(database, upload_id, [(1, 1, row("one@example.com")), (2, 1, row("two@example.com"))])
    await database.execute("UPDATE corrected_rows SET outcome = 'cancelled' WHERE row_number = 1")
    await database.execute("UPDATE rejected_rows SET discarded_at = now() WHERE row_number = 2")
    gone = CorrectionRequest(upload_id=upload_id, correction_id=uuid.uuid4(), rows=request.rows)

    for each in (request, gone):
        assert await make_redrives().handle(each, careful=False) == []

    assert await outcomes(database, request) == {1: "cancelled", 2: "row_changed"}
    assert await effects.employees(database) == {}
    assert await effects.ledger_counts(database, upload_id) == Counts(2, 0, 0, 0, 2)


async def test_new_cells_count_where_the_reader_had_refused_the_row_and_where_one_makes_the_consumer_fail(
    make_handler: MakeHandler, add_upload: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    await make_handler().handle(chunk(upload_id, [*rows(2), BAD_EMAIL], faults={0: "row_too_long"}), careful=False)
    corrected = [(1, 1, row("whole@example.com")), (3, 1, cursed("late@example.com"))]
    request = await correction_of(database, upload_id, corrected)

    await make_redrives(RAISES).handle(request, careful=False)

    assert await outcomes(database, request) == {1: "inserted", 3: "rejected"}
    assert await effects.codes(database, upload_id) == {3: "internal_error"}


async def test_correction_through_the_queue_is_acknowledged_and_its_new_letter_published_once(
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    broker: Broker,
    add_finished: AddUpload,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id, behind_it = await add_finished([BAD_EMAIL, BAD_EMAIL]), await add_upload()
    request = await correction_of(database, upload_id, [(1, 1, row("in@example.com")), (2, 1, row("nul\0"))])
    async with running_consumer(engine, consumer_settings(database_url, amqp_url)):
        for _ in range(3):
            await broker.request(request)
        (message,) = await broker.take(DEAD_LETTERS_QUEUE, 1)
        # When this chunk is done, all that came before it is settled.
        await broker.request(chunk(behind_it, rows(1)))
        await eventually(lambda: _inserted(database, behind_it, 1))

    assert message.message_id == f"{upload_id}:2:2"
    assert await outcomes(database, request) == {1: "inserted", 2: "rejected"}
    assert await broker.take_all(REQUESTS_QUEUE) == []
    assert await broker.take_all(DEAD_LETTERS_QUEUE) == []


async def _inserted(database: asyncpg.Connection, upload_id: uuid.UUID, count: int) -> bool:
    return (await effects.ledger_counts(database, upload_id)).inserted == count
