"""Rows that say some fields only: each field ends as the last row said that said it, in whatever order they come."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine

from consumer_service.chunk_handler import ChunkHandler
from consumer_service.redrive_handler import RedriveHandler
from shared.database.upload_layout import stored_columns
from shared.messages import ChunkCounts, ChunkRequest, RedriveRequest
from shared.rows.layout import Layout, layout_of_names
from shared.service.failpoints import Failpoints
from tests.integration.consumer_service.conftest import AddUpload, MakeHandler
from tests.support import effects
from tests.support.chunks import chunk
from tests.support.pipeline import consumer_settings, wide_engine
from tests.support.several_uploads import Mode, SaidRow, SeveralUploads
from tests.support.uploads import insert_upload

NAMES = ("employee_name", "company_name", "mobile_no", "email")
OPTIONAL_SETS: tuple[tuple[str, ...], ...] = (
    (),
    ("company_name",),
    ("company_name", "mobile_no"),
    ("employee_name", "company_name", "mobile_no"),
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"

Result = TypeVar("Result")


class Sent:
    """An upload as its producer sends it: one chunk at a time if the order of the chunks decides."""

    def __init__(
        self, upload_id: uuid.UUID, number: int, chunks: list[list[SaidRow]], layout: Layout, mode: Mode
    ) -> None:
        self.upload_id = upload_id
        self.number = number
        self.chunks = chunks
        self.layout = layout
        self.left = list(range(len(chunks)))
        self.done: list[int] = []
        self.in_order = mode == "reject" or "employee_name" in layout.optional

    def request(self, index: int) -> ChunkRequest:
        rows = self.chunks[index]
        made = chunk(self.upload_id, [_cells(row) for row in rows], first_row=rows[0].number)
        return msgspec.structs.replace(made, layout=self.layout)


class OptionalFields(RuleBasedStateMachine):
    """Uploads in all modes, at once and one after another, beside a model that reads them from top to bottom."""

    runner: asyncio.Runner
    handlers: list[ChunkHandler]
    database: asyncpg.Connection

    def __init__(self) -> None:
        super().__init__()
        self.domain = f"@{uuid.uuid4().hex}.example"
        self.model = SeveralUploads()
        self.uploads: list[Sent] = []

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    @rule(
        mode=st.sampled_from(["skip", "update", "update", "update", "reject"]),
        optional=st.sampled_from(OPTIONAL_SETS),
        rows=st.lists(st.tuples(st.sampled_from(["ada", "Ada", "bob"]), st.integers(0, 7)), min_size=1, max_size=6),
        chunk_rows=st.integers(1, 3),
    )
    def accept(self, mode: Mode, optional: tuple[str, ...], rows: list[tuple[str, int]], chunk_rows: int) -> None:
        if mode != "update":
            optional = tuple(name for name in optional if name != "employee_name")
        number = self.model.accept(mode)
        said = [self._row(number, at, email, left_out, optional) for at, (email, left_out) in enumerate(rows, 1)]
        layout = Layout(len(NAMES), layout_of_names(NAMES).columns, optional)
        columns = {"on_duplicate": mode, "status": "running", "field_columns": json.dumps(stored_columns(layout))}
        upload_id = self.run(insert_upload(self.database, **columns))
        chunks = [said[start : start + chunk_rows] for start in range(0, len(said), chunk_rows)]
        self.uploads.append(Sent(upload_id, number, chunks, layout, mode))

    def _row(self, upload: int, number: int, email: str, left_out: int, optional: tuple[str, ...]) -> SaidRow:
        letter = LETTERS[number]
        values = {
            "employee_name": f"Name {LETTERS[upload % 26]}{letter}",
            "company_name": f"Firm {upload} {number}",
            "mobile_no": f"+49{upload:04d}{number:04d}",
            "email": email + self.domain,
        }
        lacking = {name for bit, name in enumerate(NAMES[:3]) if left_out >> bit & 1} & set(optional)
        return SaidRow(upload, number, {name: value for name, value in values.items() if name not in lacking})

    def _next(self) -> list[tuple[Sent, int]]:
        """What may come next: an upload that may lack names begins when those accepted before it have ended."""
        found = []
        for upload in self.uploads:
            waits = "employee_name" in upload.layout.optional and any(
                other.left for other in self.uploads if other.number < upload.number
            )
            if not waits:
                found += [(upload, index) for index in (upload.left[:1] if upload.in_order else upload.left)]
        return found

    @precondition(lambda self: any(upload.left for upload in self.uploads))
    @rule(seed=st.integers(0, 2**16), count=st.integers(1, 4), careful=st.booleans())
    def deliver(self, seed: int, count: int, *, careful: bool) -> None:
        chance = random.Random(seed)
        for _ in range(count):
            if choices := self._next():
                self._deliver(*chance.choice(choices), careful=careful and chance.random() < 0.3)

    def _deliver(self, upload: Sent, index: int, *, careful: bool = False) -> None:
        handler = self.handlers[index % len(self.handlers)]
        self.run(handler.handle(upload.request(index), careful=careful))
        if index in upload.left:
            self.model.take(upload.chunks[index])
            upload.left.remove(index)
            upload.done.append(index)

    @precondition(lambda self: any(upload.done for upload in self.uploads))
    @rule(seed=st.integers(0, 2**16))
    def deliver_again(self, seed: int) -> None:
        done = [(upload, index) for upload in self.uploads for index in upload.done]
        self._deliver(*random.Random(seed).choice(done))

    def teardown(self) -> None:
        while choices := self._next():
            self._deliver(*choices[-1])
        self.run(self._compare())

    async def _compare(self) -> None:
        found = await effects.employees(self.database, self.domain)
        ends = self.model.employees()
        assert found == {key: tuple(end.get(name) for name in NAMES) for key, end in ends.items()}
        for upload in self.uploads:
            wanted = self.model.outcomes[upload.number]
            assert await effects.codes(self.database, upload.upload_id) == wanted.rejected
            counts = await effects.ledger_counts(self.database, upload.upload_id)
            assert counts[1:] == (wanted.inserted, wanted.updated, wanted.duplicates, len(wanted.rejected))
            assert counts.rows == sum(counts[1:])
            fates = Counter((await effects.fates(self.database, upload.upload_id)).values())
            assert [fates[fate] for fate in ("inserted", "updated", "duplicate", "rejected")] == list(counts[1:])
        kept = await self.database.fetchval(
            "SELECT count(*) FROM employees WHERE field_provenance IS NOT NULL AND NOT by_update"
        )
        assert kept == 0
        counted, there = await effects.counted_employees(self.database)
        assert counted == there


@pytest.fixture
def machine(database_url: str) -> Iterator[type[OptionalFields]]:
    consumers = consumer_settings(database_url)
    engine = wide_engine(consumers)
    handlers = [ChunkHandler(engine, consumers, Failpoints(""), uuid.uuid4()) for _ in range(2)]
    with asyncio.Runner() as runner:
        database = runner.run(asyncpg.connect(database_url))
        parts = {"runner": runner, "handlers": handlers, "database": database}
        yield type("OptionalFieldsOnDatabase", (OptionalFields,), parts)
        runner.run(database.close())
        runner.run(engine.dispose())


def _check(machine: type[OptionalFields], examples: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=12,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_any_order_of_several_uploads_ends_as_each_read_top_to_bottom(machine: type[OptionalFields]) -> None:
    _check(machine, examples=25)


@pytest.mark.long
def test_a_thousand_orders_of_several_uploads_end_as_each_read_top_to_bottom(machine: type[OptionalFields]) -> None:
    _check(machine, examples=1000)


ANN = {"employee_name": "Ann Lee", "company_name": "Acme", "mobile_no": "+12015550101", "email": "ann@x.example"}


class Uploads:
    """Uploads of rows by the fields that they say, and chunks of one handler."""

    def __init__(self, add_upload: AddUpload, handler: ChunkHandler, database: asyncpg.Connection) -> None:
        self._add_upload = add_upload
        self._handler = handler
        self._database = database
        self._optional: dict[uuid.UUID, tuple[str, ...]] = {}

    async def add(self, mode: Mode, *optional: str) -> uuid.UUID:
        layout = Layout(len(NAMES), layout_of_names(NAMES).columns, optional)
        upload_id = await self._add_upload(on_duplicate=mode, field_columns=json.dumps(stored_columns(layout)))
        self._optional[upload_id] = optional
        return upload_id

    async def give(
        self, upload_id: uuid.UUID, first_row: int, *rows: dict[str, str], careful: bool = False
    ) -> ChunkCounts:
        made = chunk(upload_id, [[said.get(name, "") for name in NAMES] for said in rows], first_row=first_row)
        layout = Layout(len(NAMES), layout_of_names(NAMES).columns, self._optional[upload_id])
        handled = await self._handler.handle(msgspec.structs.replace(made, layout=layout), careful=careful)
        return handled.reply.counts

    async def ann(self) -> dict[str, str | None]:
        (values,) = (await effects.employees(self._database)).values()
        return dict(zip(NAMES, values, strict=True))


@pytest.fixture
def uploads(add_upload: AddUpload, make_handler: MakeHandler, database: asyncpg.Connection) -> Uploads:
    return Uploads(add_upload, make_handler(), database)


def only(**said: str) -> dict[str, str]:
    return {"email": ANN["email"], **said}


async def test_row_that_an_update_came_before_gives_back_what_it_would_have_brought(uploads: Uploads) -> None:
    """Of a `skip` upload a later row came first, and an `update` kept its company."""
    skipping = await uploads.add("skip")
    updating = await uploads.add("update", "company_name")
    await uploads.give(skipping, 5, ANN | {"company_name": "Later"})
    await uploads.give(updating, 1, only(employee_name="Ann Oak", mobile_no="+12015550199"))

    counts = await uploads.give(skipping, 1, ANN | {"company_name": "Earlier"})
    await uploads.give(skipping, 3, ANN | {"company_name": "Between"})

    assert (counts.inserted, counts.updated, counts.duplicates) == (0, 0, 1)
    assert await uploads.ann() == only(employee_name="Ann Oak", company_name="Earlier", mobile_no="+12015550199")


async def test_late_chunk_of_an_earlier_upload_brings_what_the_later_one_did_not_say(uploads: Uploads) -> None:
    earlier = await uploads.add("update")
    later = await uploads.add("update", "company_name", "mobile_no")
    await uploads.give(later, 1, only(employee_name="Ann Oak", mobile_no="+12015550199"))

    counts = await uploads.give(earlier, 1, ANN | {"email": "ANN@x.example"})

    assert (counts.inserted, counts.updated, counts.duplicates) == (0, 0, 1)
    assert await uploads.ann() == only(employee_name="Ann Oak", company_name="Acme", mobile_no="+12015550199")


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("knows_somebody", [False, True], ids=["copied", "merged"])
async def test_row_without_a_name_is_refused_unless_somebody_is_there_when_it_comes(
    uploads: Uploads, database: asyncpg.Connection, *, knows_somebody: bool, careful: bool
) -> None:
    if knows_somebody:
        await uploads.give(await uploads.add("skip"), 1, ANN | {"email": "zed@x.example"})
    updating = await uploads.add("update", "employee_name", "company_name")
    phones = [only(mobile_no=f"+1201555010{number}") for number in range(4)]
    others = [phones[3] | {"email": "zed@x.example"}] if knows_somebody else []

    counts = await uploads.give(
        updating, 1, phones[1], phones[2], only(employee_name="Ann Lee", mobile_no="+12015550100"), phones[3], *others,
        careful=careful,
    )  # fmt: skip

    assert (counts.inserted, counts.updated, counts.duplicates, counts.rejected) == (1, int(knows_somebody), 1, 2)
    assert await effects.codes(database, updating) == {1: "unknown_email", 2: "unknown_email"}
    table = await effects.employees(database)
    assert table.pop("zed@x.example", (None, None, phones[3]["mobile_no"]))[2] == phones[3]["mobile_no"]
    assert table == {ANN["email"]: ("Ann Lee", None, phones[3]["mobile_no"], ANN["email"])}
    reject = (await effects.rejects(database, updating))[0]
    assert (reject["field"], "employee_name" in reject["message"]) == ("email", True)


async def test_refused_row_goes_in_by_a_redrive_once_its_employee_is_there(
    uploads: Uploads, engine: AsyncEngine, database_url: str, database: asyncpg.Connection
) -> None:
    updating = await uploads.add("update", "employee_name", "company_name", "mobile_no")
    await uploads.give(updating, 1, only(mobile_no="+12015550199"), only(company_name="Initech"))
    handler = RedriveHandler(engine, consumer_settings(database_url), Failpoints(""), uuid.uuid4())

    await handler.handle(RedriveRequest(upload_id=updating, rows=[(1, 1)]), careful=False)
    assert await effects.codes(database, updating) == {1: "unknown_email", 2: "unknown_email"}
    await uploads.give(await uploads.add("skip"), 1, ANN)
    await handler.handle(RedriveRequest(upload_id=updating, rows=[(1, 2), (2, 1)]), careful=False)

    assert await effects.codes(database, updating) == {}
    assert await uploads.ann() == ANN | {"company_name": "Initech", "mobile_no": "+12015550199"}
    counts = await effects.ledger_counts(database, updating)
    assert counts[1:] == (0, 1, 1, 0)


async def test_somebody_without_a_company_or_a_mobile_has_null(uploads: Uploads, database: asyncpg.Connection) -> None:
    for mode, email in (("skip", "a@x.example"), ("reject", "b@x.example"), ("update", "c@x.example")):
        upload_id = await uploads.add(mode, "company_name", "mobile_no")  # type: ignore[arg-type]
        await uploads.give(upload_id, 1, {"employee_name": "Ann Lee", "mobile_no": "n/a", "email": email})
        # Merged with one statement, where the first was copied.
        await uploads.give(upload_id, 2, {"employee_name": "Bob Lee", "email": "b" + email}, ANN | {"email": email})
    rows = await database.fetch("SELECT email FROM employees WHERE company_name IS NULL AND mobile_no IS NULL")
    assert sorted(row["email"] for row in rows) == [
        "a@x.example", "b@x.example", "ba@x.example", "bb@x.example", "bc@x.example"
    ]  # fmt: skip


async def test_files_without_optional_fields_leave_no_provenance_of_fields(
    uploads: Uploads, database: asyncpg.Connection
) -> None:
    await uploads.give(
        await uploads.add("update", "company_name"), 1, only(employee_name="Ann", mobile_no="+12015550199")
    )
    assert await database.fetchval("SELECT field_provenance FROM employees") is not None
    await uploads.give(await uploads.add("update"), 1, ANN)
    assert await database.fetchval("SELECT count(*) FROM employees WHERE field_provenance IS NOT NULL") == 0
    assert await uploads.ann() == ANN


def _cells(row: SaidRow) -> list[str]:
    return [row.said.get(name, "") for name in NAMES]
