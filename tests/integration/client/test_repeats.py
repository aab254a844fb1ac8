"""What is sent again and what is not, when connections break and services have no time."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

import rollcall
from tests.support.scripted_http import Answer, Seen, scripted

MIB = 1024 * 1024
EMPLOYEE = {"id": 4, "employee_name": "Ada", "company_name": None, "mobile_no": None, "email": "ada@x.example"}
EMPLOYEE |= {"uploadId": None, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "leftAt": None}
BUSY = Answer.json({"code": "database_busy", "detail": "Later."}, 503, Retry_After="0")
SILENT = Answer(says_nothing=True)
PROXY = Answer(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})


@pytest.mark.parametrize("trouble", [BUSY, SILENT, PROXY], ids=["busy", "silent", "proxy"])
async def test_what_only_reads_is_asked_for_again(trouble: Answer) -> None:
    async with scripted([trouble, trouble, Answer.json(EMPLOYEE)]) as (url, seen), rollcall.AsyncClient(url) as rc:
        assert (await rc.employee(4)).email == "ada@x.example"
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [(BUSY, rollcall.DatabaseBusy), (SILENT, rollcall.Unreachable), (PROXY, rollcall.UnexpectedAnswer)],
    ids=["busy", "silent", "proxy"],
)
async def test_what_may_have_been_done_is_not_done_again(trouble: Answer, kind: type[Exception]) -> None:
    async with scripted([trouble]) as (url, seen), rollcall.AsyncClient(url) as rc:
        with pytest.raises(kind):
            await rc.queue("emails").purge()
        with pytest.raises(kind):
            await rc.undo("an-upload")
    assert [each.target for each in seen] == ["/v1/queues/emails/messages", "/v1/uploads/an-upload/undo"]


async def test_message_goes_again_as_the_one_that_it_was() -> None:
    async with scripted([SILENT, BUSY, Answer.json({"ids": [7]}, 201)]) as (url, seen), rollcall.AsyncClient(url) as rc:
        assert await rc.queue("emails").send("hello") == 7
        assert await rc.queue("emails").send("hello", deduplication_id="own") == 7
    first, again, at_last, own = [msgspec.json.decode(each.begin)["messages"][0] for each in seen]
    assert first == again == at_last
    assert (first["payload"], bool(first["deduplicationId"])) == ("hello", True)
    assert own == {"payload": "hello", "deduplicationId": "own"}


async def test_a_refusal_is_no_reason_to_ask_again() -> None:
    refusal = Answer.json({"code": "unknown_employee", "detail": "No employee has this id."}, 404)
    async with scripted([refusal]) as (url, seen), rollcall.AsyncClient(url) as rc:
        with pytest.raises(rollcall.UnknownEmployee):
            await rc.employee(4)
    assert len(seen) == 1


async def test_upload_that_can_be_read_again_goes_again_under_the_same_key(tmp_path: Path) -> None:
    file = tmp_path / "staff.csv"
    file.write_bytes(b"x" * 300_000)
    too_large = Answer.json({"code": "too_large", "detail": "Split it."}, 413)
    for source in (file, file.read_bytes(), file.open("rb")):
        async with scripted([SILENT, BUSY, too_large]) as (url, seen), rollcall.AsyncClient(url) as rc:
            with pytest.raises(rollcall.TooLarge):
                await rc.upload(source)
        assert len(seen) == 3
        assert len({each.headers["idempotency-key"] for each in seen}) == 1
        assert len({each.body_bytes for each in seen}) == 1


async def test_upload_that_is_gone_once_it_is_read_goes_once() -> None:
    async def blocks() -> AsyncIterator[bytes]:
        yield b"name\n"
        yield b""
        yield b"Ada\n"

    async with scripted([SILENT]) as (url, seen), rollcall.AsyncClient(url) as rc:
        with pytest.raises(rollcall.Unreachable):
            await rc.upload(blocks())
    assert [each.headers.get("transfer-encoding") for each in seen] == ["chunked"]


async def test_download_that_breaks_off_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    target = tmp_path / "staff.csv"
    target.write_text("of yesterday")
    async with scripted([Answer(200, b"x" * MIB, hang_up=1000)]) as (url, seen), rollcall.AsyncClient(url) as rc:
        with pytest.raises(rollcall.Unreachable):
            await rc.export().save(target)
    assert not target.with_name("staff.csv.part").exists()
    assert (target.read_text(), len(seen)) == ("of yesterday", 1)


async def test_answer_of_somebody_else_is_no_answer_and_quotes_nobody() -> None:
    strange = Answer.json({**EMPLOYEE, "email": ["ada@x.example"]})
    async with scripted([strange]) as (url, _), rollcall.AsyncClient(url) as rc:
        with pytest.raises(rollcall.UnexpectedAnswer) as unexpected:
            await rc.employee(4)
    assert "email" in str(unexpected.value)
    assert "ada@x.example" not in str(unexpected.value)


async def test_memory_does_not_grow_with_what_is_sent_or_listed() -> None:
    """A bounded part of what a gigabyte and ten million employees are: blocks and pages that are let go."""

    def blocks() -> Iterator[bytes]:
        for _ in range(96):
            yield b"x" * MIB

    pages = 30

    def answer(request: Seen) -> Answer:
        if request.method == "POST":
            return Answer.json({"code": "not_csv", "detail": "It is none."}, 422)
        asked = re.search(r"cursor=(\d+)", request.target)
        number = int(asked[1]) if asked else 0
        listing = {"data": [EMPLOYEE] * 1000, "page": None, "limit": 1000, "size": 1000, "totalData": 1000 * pages}
        next_cursor = str(number + 1) if number + 1 < pages else None
        return Answer.json({**listing, "totalPages": pages, "totalIsEstimate": False, "nextCursor": next_cursor})

    async with scripted(answer) as (url, seen), rollcall.AsyncClient(url) as rc:
        tracemalloc.start()
        try:
            with pytest.raises(rollcall.NotCsv):
                await rc.upload(blocks())
            _, sending = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            count = 0
            async for _ in rc.employees():
                count += 1
            _, listing = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == 1000 * pages
    assert seen[0].body_bytes > 96 * MIB
    # Both ends are this process: some blocks of 1 MiB, and two or three pages of a thousand.
    assert sending < 16 * MIB
    assert listing < 8 * MIB
