"""What is sent again and what is not, when connections break and services have no time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

import rollcall
from tests.support.scripted_http import EMPLOYEE, Answer, scripted

MIB = 1024 * 1024
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
