"""An undo takes one upload out of the history of every employee, in any order, beside whatever else is written."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Callable, Sequence
from typing import NamedTuple

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.redrive_handler import RedriveHandler
from consumer_service.undo_handler import UndoHandler
from shared.messages import RedriveRequest, UndoRequest
from shared.rows.fields import FIELD_NAMES
from shared.service.failpoints import Failpoints
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support import effects
from tests.support.chunks import BAD_EMAIL, chunk, row, rows
from tests.support.pipeline import consumer_settings
from tests.support.undo_reference import Histories, Undone, Version

CHUNK_ROWS = 3
CHUNKS_AT_MOST = 3
MODES = ("update", "update", "skip", "reject")

MakeUndos = Callable[[], UndoHandler]


@pytest.fixture
def make_undos(engine: AsyncEngine) -> MakeUndos:
    return lambda: UndoHandler(engine, Failpoints(""))


class File(NamedTuple):
    mode: str
    emails: list[str]


# To send the next chunk of that upload, or to take its next range back, from where on it takes no more chunks.
_files = st.lists(
    st.builds(
        File,
        st.sampled_from(MODES),
        st.lists(st.sampled_from(["ada", "Ada", "bob", "cy"]), min_size=1, max_size=CHUNK_ROWS * CHUNKS_AT_MOST),
    ),
    min_size=2,
    max_size=5,
)
_steps = st.lists(st.tuples(st.sampled_from(["send", "send", "undo"]), st.integers(0, 4)), max_size=30)


@given(files=_files, steps=_steps, seed=st.integers(0, 2**16))
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_any_order_of_chunks_and_undos_ends_as_if_what_was_undone_had_never_been(
    files: list[File],
    steps: list[tuple[str, int]],
    seed: int,
    make_handler: MakeHandler,
    make_undos: MakeUndos,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    domain = f"@{uuid.uuid4().hex}.example"
    system = [_Sent(await add_upload(on_duplicate=file.mode), file, domain, seed) for file in files]
    for sent in system:
        sent.sequence = (await effects.upload(database, sent.id))["sequence"]
    histories = Histories()
    # At last everything that is left is sent, and taken back in any order.
    order = random.Random(seed).sample(range(len(files)), len(files))
    rest = [(what, at) for what in ("send", "undo") for at in order for _ in range(CHUNKS_AT_MOST)]
    for what, at in [*steps, *rest]:
        sent = system[at % len(files)]
        if what == "send" and not sent.is_undoing and sent.to_send:
            first_row = sent.to_send.pop()
            cells = sent.cells(first_row)
            await make_handler().handle(chunk(sent.id, cells, first_row=first_row), careful=False)
            for number, values in enumerate(cells, first_row):
                histories.write(sent.file.mode, Version(sent.sequence, number, tuple(values)))
        elif what == "undo" and (sent.is_undoing or sent.sent_to_its_end):
            await _begin_undo(database, sent.id)
            sent.is_undoing = True
            if sent.to_undo:
                first_row = sent.to_undo.pop()
                request = _range(sent.id, first_row)
                # The second delivery does nothing.
                for _ in range(2):
                    assert (await make_undos().handle(request)).outcome == "done"
                sent.undone += histories.undo(sent.sequence, first_row, request.last_row)
                assert await _undone(database, sent.id) == sent.undone
        assert await _standing(database, domain) == histories.standing()
        counted, there = await effects.counted_employees(database)
        assert counted == there
    for sent in system:
        if not sent.sent_to_its_end:
            continue
        counts = await effects.ledger_counts(database, sent.id)
        assert sum((await _undone(database, sent.id)).counts) == counts.inserted + counts.updated


async def test_uploads_and_undos_of_the_same_people_at_once_leave_nothing_once_all_is_undone(
    make_handler: MakeHandler, make_undos: MakeUndos, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    people, uploads = 120, 6
    ids = [await add_upload(on_duplicate="skip" if at % 3 == 2 else "update") for at in range(uploads)]

    in_turn = asyncio.Lock()

    async def upload_then_undo(at: int) -> None:
        emails = [f"person{number}@example.com" for number in range(people)]
        random.Random(at).shuffle(emails)
        starts = list(range(1, people + 1, 30))
        for first_row in starts:
            cells = [row(email, name=f"Of {at}") for email in emails[first_row - 1 : first_row + 29]]
            await make_handler().handle(chunk(ids[at], cells, first_row=first_row), careful=False)
        async with in_turn:
            await _begin_undo(database, ids[at])
        random.Random(at).shuffle(starts)
        await asyncio.gather(*(make_undos().handle(_range(ids[at], first_row, 30)) for first_row in starts))

    await asyncio.gather(*(upload_then_undo(at) for at in range(uploads)))

    assert await effects.employees(database) == {}
    assert await database.fetchval("SELECT count(*) FROM replaced_employees") == 0
    assert await effects.counted_employees(database) == (0, 0)
    for upload_id in ids:
        counts = await effects.ledger_counts(database, upload_id)
        assert sum((await _undone(database, upload_id)).counts) == counts.inserted + counts.updated


async def test_whole_employee_is_put_back_and_an_undo_replaces_nothing(
    make_handler: MakeHandler, make_undos: MakeUndos, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    first, second, third = [await add_upload(on_duplicate="update") for _ in range(3)]
    await make_handler().handle(chunk(first, rows(5)), careful=False)
    before = await database.fetch("SELECT * FROM employees ORDER BY id")
    await make_handler().handle(chunk(second, [row("PERSON2@example.com", name="New"), *rows(1)]), careful=False)
    await make_handler().handle(chunk(third, rows(1)), careful=False)

    for upload_id in (third, second):
        await _begin_undo(database, upload_id)
        await make_undos().handle(_range(upload_id, 1))

    assert await database.fetch("SELECT * FROM employees ORDER BY id") == before
    assert await database.fetchval("SELECT count(*) FROM replaced_employees") == 0


async def test_what_was_kept_before_a_column_came_is_put_back_without_it(
    make_handler: MakeHandler, make_undos: MakeUndos, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    first, second = [await add_upload(on_duplicate="update") for _ in range(2)]
    for upload_id in (first, second):
        await make_handler().handle(chunk(upload_id, rows(1)), careful=False)
    await database.execute("UPDATE replaced_employees SET employee = employee - 'replaced_sequence' - 'created_at'")
    await _begin_undo(database, second)

    await make_undos().handle(_range(second, 1))

    restored = await database.fetchrow("SELECT replaced_sequence, created_at IS NOT NULL FROM employees")
    assert restored is not None
    assert tuple(restored) == (None, True)


async def test_employee_that_the_database_does_not_take_back_is_kept_and_named_and_the_others_are_not(
    make_handler: MakeHandler, make_undos: MakeUndos, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    first, second = [await add_upload(on_duplicate="update") for _ in range(2)]
    for upload_id in (first, second):
        await make_handler().handle(chunk(upload_id, rows(5)), careful=False)
    await database.execute(
        """UPDATE replaced_employees SET employee = jsonb_set(employee, '{email}', '"person5@example.com"')"""
        " WHERE employee ->> 'email' = 'person3@example.com'"
    )
    await _begin_undo(database, second)

    await make_undos().handle(_range(second, 1, 5))

    sequence = (await effects.upload(database, second))["sequence"]
    assert (await _undone(database, second)).counts == (0, 4, 1)
    assert (await _undone(database, second)).kept == {3: sequence}


@pytest.mark.parametrize("status", ["undoing", "undone"])
async def test_nothing_joins_an_upload_that_is_taken_back(
    status: str,
    make_handler: MakeHandler,
    engine: AsyncEngine,
    database_url: str,
    add_upload: AddUpload,
    database: asyncpg.Connection,
) -> None:
    upload_id = await add_upload()
    await make_handler(json.dumps({"consumer.row": {"action": "raise", "text": "late@example.com"}})).handle(
        chunk(upload_id, [*rows(3), row("late@example.com"), BAD_EMAIL]), careful=False
    )
    await _begin_undo(database, upload_id)
    await database.execute("UPDATE uploads SET status = $1, rejected = 2", status)
    redrives = RedriveHandler(engine, consumer_settings(database_url), Failpoints(""), uuid.uuid4())

    letters = await redrives.handle(RedriveRequest(upload_id=upload_id, rows=[(4, 1), (5, 1)]), careful=False)
    reply = (await make_handler().handle(chunk(upload_id, rows(2, start=9), first_row=6), careful=False)).reply

    assert reply.outcome == "closed"
    assert {each.code for each in effects.letters(letters)} >= {"upload_undone"}
    assert await effects.codes(database, upload_id) == {4: "upload_undone", 5: "upload_undone"}
    assert len(await effects.employees(database)) == 3
    assert await effects.status(database, upload_id) == status


async def test_range_of_an_upload_that_nobody_undoes_is_refused(
    make_handler: MakeHandler, make_undos: MakeUndos, add_upload: AddUpload, database: asyncpg.Connection
) -> None:
    upload_id = await add_upload()
    await make_handler().handle(chunk(upload_id, rows(3)), careful=False)
    await database.execute("UPDATE uploads SET status = 'succeeded', finished_at = now()")

    assert (await make_undos().handle(_range(upload_id, 1))).outcome == "closed"
    assert (await make_undos().handle(_range(uuid.uuid4(), 1))).outcome == "closed"
    assert len(await effects.employees(database)) == 3


class _Sent:
    """An upload of a file, and what is still to be done with it, in an order of its own."""

    def __init__(self, upload_id: uuid.UUID, file: File, domain: str, seed: int) -> None:
        self.id = upload_id
        self.sequence = 0
        self.file = file
        self._domain = domain
        starts = list(range(1, len(file.emails) + 1, CHUNK_ROWS))
        self.to_undo = list(starts)
        random.Random(seed).shuffle(self.to_undo)
        # The producer of a `reject` upload sends in file order.
        self.to_send = starts[::-1]
        if file.mode != "reject":
            random.Random(seed + 1).shuffle(self.to_send)
        self.is_undoing = False
        self.undone = Undone()

    @property
    def sent_to_its_end(self) -> bool:
        return not self.to_send

    def cells(self, first_row: int) -> Sequence[list[str]]:
        emails = self.file.emails[first_row - 1 : first_row - 1 + CHUNK_ROWS]
        return [
            row(f"{email}{self._domain}", name=f"Of {self.sequence} {number}")
            for number, email in enumerate(emails, first_row)
        ]


def _range(upload_id: uuid.UUID, first_row: int, row_count: int = CHUNK_ROWS) -> UndoRequest:
    return UndoRequest(upload_id=upload_id, first_row=first_row, last_row=first_row + row_count - 1)


async def _begin_undo(database: asyncpg.Connection, upload_id: uuid.UUID) -> None:
    await database.execute("UPDATE uploads SET status = 'undoing', finished_at = now() WHERE id = $1", upload_id)


async def _undone(database: asyncpg.Connection, upload_id: uuid.UUID) -> Undone:
    sums = await database.fetchrow(
        "SELECT coalesce(sum(deleted), 0), coalesce(sum(restored), 0), coalesce(sum(kept), 0) FROM upload_undos"
        " WHERE upload_id = $1",
        upload_id,
    )
    kept = await database.fetch("SELECT row_number, changed_by FROM kept_rows WHERE upload_id = $1", upload_id)
    assert sums is not None
    assert sums[2] == len(kept)
    return Undone(int(sums[0]), int(sums[1]), {each["row_number"]: each["changed_by"] for each in kept})


async def _standing(database: asyncpg.Connection, domain: str) -> dict[str, Version]:
    found = await database.fetch("SELECT * FROM employees WHERE right(email, $2) = $1", domain, len(domain))
    return {
        each["email"].lower(): Version(
            each["upload_sequence"], each["row_number"], tuple(each[name] for name in FIELD_NAMES)
        )
        for each in found
    }
