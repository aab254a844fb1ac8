"""A redrive tries rejected rows again: each outcome once, in the table, the ledger, the upload and the report."""

from __future__ import annotations

import asyncio
import json
import uuid

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.amqp.topology import DEAD_LETTERS_QUEUE, REQUESTS_QUEUE
from shared.messages import RedriveRequest
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler, MakeRedrives
from tests.support import effects
from tests.support.broker import Broker
from tests.support.chunks import BAD_EMAIL, RAISES, chunk, cursed, row, rows
from tests.support.effects import Counts
from tests.support.pipeline import consumer_settings, running_consumer
from tests.support.waiting import eventually


async def test_row_that_succeeds_moves_in_table_ledger_upload_and_out_of_the_report(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com"), BAD_EMAIL])
    before = await effects.upload(database, upload_id)

    letters = await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(4, 1)]), careful=False)

    assert letters == []
    assert "late@example.com" in await effects.employees(database)
    assert await effects.ledger_counts(database, upload_id) == Counts(5, 4, 0, 0, 1)
    upload = await effects.upload(database, upload_id)
    assert (upload["inserted"], upload["rejected"], upload["status"]) == (4, 1, "partially_succeeded")
    assert json.loads(upload["rejected_by"]) == {"invalid_email": 1}
    assert upload["revision"] > before["revision"]
    assert await effects.codes(database, upload_id) == {5: "invalid_email"}
    assert await effects.counted_employees(database) == (4, 4)


async def test_last_reject_redriven_makes_the_upload_succeeded(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com"), cursed("later@example.com")])

    await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(4, 1)]), careful=False)
    assert await effects.status(database, upload_id) == "partially_succeeded"
    await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(5, 1)]), careful=False)

    upload = await effects.upload(database, upload_id)
    assert (upload["status"], upload["inserted"], upload["rejected"], upload["rejected_by"]) == (
        "succeeded",
        5,
        0,
        "{}",
    )


async def test_failed_and_cancelled_uploads_keep_their_state_when_their_last_reject_leaves(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(2), cursed("late@example.com")])
    await database.execute("UPDATE uploads SET status = 'cancelled'")

    await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(3, 1)]), careful=False)

    upload = await effects.upload(database, upload_id)
    assert (upload["status"], upload["rejected"]) == ("cancelled", 0)


@pytest.mark.parametrize("careful", [False, True])
async def test_row_that_fails_again_is_dead_again_once_at_the_next_attempt(
    careful: bool, add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com")])
    request = RedriveRequest(upload_id=upload_id, rows=[(4, 1)])

    first = await make_redrives(RAISES).handle(request, careful=careful)
    await database.execute("DELETE FROM unpublished_letters")
    again = await make_redrives(RAISES).handle(request, careful=careful)

    assert [(each.row_number, each.attempt, each.code) for each in effects.letters(first)] == [(4, 2, "internal_error")]
    assert again == []
    (reject,) = await effects.rejects(database, upload_id)
    assert reject["attempt"] == 2
    assert await effects.ledger_counts(database, upload_id) == Counts(4, 3, 0, 0, 1)
    upload = await effects.upload(database, upload_id)
    assert (upload["rejected"], json.loads(upload["rejected_by"])) == (1, {"internal_error": 1})


async def test_letter_of_the_new_attempt_that_a_crash_left_unpublished_comes_with_the_redelivery(
    add_finished: AddUpload, make_redrives: MakeRedrives
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com")])
    request = RedriveRequest(upload_id=upload_id, rows=[(4, 1)])

    lost = await make_redrives(RAISES).handle(request, careful=False)
    redelivered = await make_redrives(RAISES).handle(request, careful=False)

    assert redelivered == lost != []


async def test_row_may_be_dead_again_for_another_reason(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com")], on_duplicate="reject")
    await database.execute(
        "INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)"
        " VALUES ('Else', 'Initech', '1234567', 'LATE@example.com', 0, 1, false)"
    )

    unpublished = await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(4, 1)]), careful=False)

    (letter,) = effects.letters(unpublished)
    assert (letter.code, letter.field, letter.attempt) == ("duplicate_email", "email", 2)
    assert json.loads((await effects.upload(database, upload_id))["rejected_by"]) == {"duplicate_email": 1}


@pytest.mark.parametrize("wanted", [(4, 2), (4, 0), (3, 1), (99, 1)])
async def test_redrive_of_another_attempt_or_of_a_row_that_is_not_rejected_does_nothing(
    wanted: tuple[int, int], add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com")])

    letters = await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[wanted]), careful=False)

    assert letters == []
    assert len(await effects.employees(database)) == 3
    assert await effects.ledger_counts(database, upload_id) == Counts(4, 3, 0, 0, 1)
    assert await effects.codes(database, upload_id) == {4: "internal_error"}


async def test_redrive_of_an_unknown_upload_or_a_deleted_letter_does_nothing(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com")])
    await database.execute("UPDATE rejected_rows SET discarded_at = now()")

    for each in (upload_id, uuid.uuid4()):
        assert await make_redrives().handle(RedriveRequest(upload_id=each, rows=[(4, 1)]), careful=False) == []

    assert await effects.ledger_counts(database, upload_id) == Counts(4, 3, 0, 0, 1)


async def test_redrive_delivered_to_four_consumers_at_once_counts_once(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com"), cursed("later@example.com")])
    request = RedriveRequest(upload_id=upload_id, rows=[(4, 1), (5, 1)])

    await asyncio.gather(*(make_redrives().handle(request, careful=False) for _ in range(4)))

    upload = await effects.upload(database, upload_id)
    assert (upload["inserted"], upload["rejected"], upload["status"]) == (5, 0, "succeeded")
    assert await effects.ledger_counts(database, upload_id) == Counts(5, 5, 0, 0, 0)
    assert await effects.counted_employees(database) == (5, 5)


@pytest.mark.parametrize("careful", [False, True])
async def test_row_that_was_too_long_never_passes_for_what_is_left_of_it(
    careful: bool,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    make_redrives: MakeRedrives,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_upload()
    request = chunk(upload_id, rows(2), faults={1: "row_too_long"})
    await make_handler().handle(request, careful=False)
    await database.execute("DELETE FROM unpublished_letters")

    unpublished = await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(2, 1)]), careful=careful)

    (letter,) = effects.letters(unpublished)
    assert (letter.code, letter.attempt) == ("row_too_long", 2)
    assert list(await effects.employees(database)) == ["person1@example.com"]


@pytest.mark.parametrize(
    ("mode", "expected", "fates", "name"),
    [
        ("skip", Counts(2, 0, 0, 2, 0), {1: "duplicate", 2: "duplicate"}, "Before"),
        ("update", Counts(2, 0, 1, 1, 0), {1: "duplicate", 2: "updated"}, "Asha Rao"),
        ("reject", Counts(2, 0, 0, 0, 2), {1: "rejected", 2: "rejected"}, "Before"),
    ],
)
async def test_redriven_row_with_a_known_email_follows_its_uploads_mode(
    mode: str,
    expected: Counts,
    fates: dict[int, str],
    name: str,
    make_handler: MakeHandler,
    add_upload: AddUpload,
    add_finished: AddUpload,
    make_redrives: MakeRedrives,
    database: asyncpg.Connection,
) -> None:
    known = row("known@example.com", name="Before")
    await make_handler().handle(chunk(await add_upload(), [known]), careful=False)
    upload_id = await add_finished([row("Known@example.com"), cursed("KNOWN@example.com")], on_duplicate=mode)
    wanted = [(number, 1) for number in await effects.codes(database, upload_id)]

    await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=wanted), careful=False)

    assert await effects.ledger_counts(database, upload_id) == expected
    assert await effects.fates(database, upload_id) == fates
    table = await effects.employees(database)
    assert {key: employee[0] for key, employee in table.items()} == {"known@example.com": name}
    if mode == "update":
        assert table["known@example.com"][3] == "KNOWN@example.com"


async def test_redriven_row_displaces_a_later_one_of_its_upload_or_gives_way_to_it_as_its_mode_says(
    make_handler: MakeHandler, add_upload: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    fates: dict[str, dict[int, str]] = {}
    for mode in ("skip", "update"):
        upload_id = await add_upload(on_duplicate=mode)
        twice = f"twice@{mode}.example"
        for first_row, cells in ((1, [*rows(1, start=len(fates) + 1), cursed(twice)]), (3, [row(twice)])):
            await make_handler(RAISES).handle(chunk(upload_id, cells, first_row=first_row), careful=False)
        await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(2, 1)]), careful=False)
        fates[mode] = await effects.fates(database, upload_id)

    assert fates == {
        "skip": {1: "inserted", 2: "inserted", 3: "duplicate"},
        "update": {1: "inserted", 2: "duplicate", 3: "inserted"},
    }


@pytest.mark.parametrize(
    ("cells", "are_all_noted"), [(["clean@example.com"], True), (["again@example.com", "again@example.com"], False)]
)
async def test_redrive_in_a_chunk_of_an_older_consumer_notes_it_if_nothing_of_it_was_to_be_noted(
    cells: list[str],
    are_all_noted: bool,
    add_finished: AddUpload,
    make_redrives: MakeRedrives,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_finished([*map(row, cells), cursed(cells[0])])
    await database.execute("UPDATE upload_chunks SET noted_rows = NULL, duplicate_bits = NULL")

    await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(len(cells) + 1, 1)]), careful=False)

    assert await database.fetchval("SELECT noted_rows = row_count - rejected FROM upload_chunks") is (
        True if are_all_noted else None
    )
    if are_all_noted:
        assert await effects.fates(database, upload_id) == {1: "inserted", 2: "duplicate"}


async def test_redrive_on_a_running_upload_changes_the_ledger_alone(
    add_rejected: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_rejected([*rows(3), cursed("late@example.com")])

    await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(4, 1)]), careful=False)

    assert await effects.ledger_counts(database, upload_id) == Counts(4, 4, 0, 0, 0)
    upload = await effects.upload(database, upload_id)
    # Its producer writes its counts, from the ledger in the end.
    assert (upload["status"], upload["inserted"], upload["rejected"]) == ("running", 0, 0)


async def test_rows_of_several_chunks_move_in_their_own_ledger_entries(
    make_handler: MakeHandler, add_upload: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    for first_row in (1, 4, 7):
        cells = [*rows(2, start=first_row), cursed(f"late{first_row}@example.com")]
        await make_handler(RAISES).handle(chunk(upload_id, cells, first_row=first_row), careful=False)

    await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(9, 1), (3, 1)]), careful=False)

    entries = await database.fetch("SELECT first_row, inserted, rejected FROM upload_chunks ORDER BY first_row")
    assert [tuple(entry) for entry in entries] == [(1, 3, 0), (4, 2, 1), (7, 3, 0)]


async def test_row_at_which_three_consumers_died_is_dead_again_as_poison(
    add_finished: AddUpload, make_redrives: MakeRedrives, database: asyncpg.Connection
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com"), cursed("later@example.com")])
    await database.execute(
        "INSERT INTO row_markers (upload_id, row_number, consumers) VALUES ($1, 4, $2)",
        upload_id,
        [uuid.uuid4() for _ in range(3)],
    )

    await make_redrives().handle(RedriveRequest(upload_id=upload_id, rows=[(4, 1), (5, 1)]), careful=True)

    assert await effects.codes(database, upload_id) == {4: "poison_row"}
    assert "later@example.com" in await effects.employees(database)
    assert await database.fetchval("SELECT count(*) FROM row_markers") == 0


async def test_redrive_through_the_queue_is_acknowledged_and_its_new_letter_published_once(
    engine: AsyncEngine,
    database_url: str,
    amqp_url: str,
    broker: Broker,
    add_finished: AddUpload,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_finished([*rows(3), cursed("late@example.com"), BAD_EMAIL])
    behind_it = await add_upload()
    request = RedriveRequest(upload_id=upload_id, rows=[(4, 1), (5, 1)])
    async with running_consumer(engine, consumer_settings(database_url, amqp_url)):
        for _ in range(3):
            await broker.request(request)
        await eventually(lambda: _inserted(database, upload_id, 4))
        (message,) = await broker.take(DEAD_LETTERS_QUEUE, 1)
        # When this chunk is done, all that came before it is settled.
        await broker.request(chunk(behind_it, rows(1, start=9)))
        await eventually(lambda: _inserted(database, behind_it, 1))

    assert message.message_id == f"{upload_id}:5:2"
    assert await broker.take_all(REQUESTS_QUEUE) == []
    assert await broker.take_all(DEAD_LETTERS_QUEUE) == []


async def _inserted(database: asyncpg.Connection, upload_id: uuid.UUID, count: int) -> bool:
    return (await effects.ledger_counts(database, upload_id)).inserted == count
