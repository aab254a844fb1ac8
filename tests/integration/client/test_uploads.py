"""What is sent to a running API, whatever it comes from, and how a refusal reads."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import rollcall
from shared.service import bounded_http
from tests.support.patience import patience

HEADER = b"name,company,phone,email\n"
ROW = b"Ada,X,+44 20 7946 0018,ada@x.example\n"
MIB = 1024 * 1024


async def test_file_comes_from_wherever_it_is(rc: rollcall.AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "staff.csv"
    path.write_bytes(HEADER + ROW)
    half_read = io.BytesIO(b"not this" + HEADER + ROW)
    half_read.seek(len(b"not this"))

    async def blocks() -> AsyncIterator[bytes]:
        yield HEADER
        yield ROW

    for source in (path, str(path), HEADER + ROW, path.open("rb"), half_read, iter([HEADER, ROW]), blocks()):
        upload = await rc.upload(source, draft=True)
        assert (upload.status, upload.bytes, upload.problem) == ("draft", len(HEADER + ROW), None)
        assert await upload.file().read() == HEADER + ROW


async def test_pipe_is_read_once_and_to_its_end(rc: rollcall.AsyncClient, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_bytes, args=(HEADER + ROW,))
    writing.start()
    upload = await rc.upload(pipe, filename="staff.csv", draft=True)
    await asyncio.to_thread(writing.join)
    assert (upload.filename, upload.bytes) == ("staff.csv", len(HEADER + ROW))


@pytest.mark.parametrize("is_sized", [True, False], ids=["sized", "unsized"])
async def test_file_that_is_too_large_is_refused_as_such(
    rc: rollcall.AsyncClient, is_sized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who still sends then is cut off, and reads no answer.
    monkeypatch.setattr(bounded_http, "LINGER_SECONDS", bounded_http.LINGER_SECONDS * patience())
    content = (HEADER + ROW) * (24 * MIB // len(HEADER + ROW))
    source = io.BytesIO(content) if is_sized else iter([content[at : at + MIB] for at in range(0, len(content), MIB)])
    with pytest.raises(rollcall.TooLarge, match="split it"):
        await rc.upload(source)


async def test_options_go_as_they_are_said_and_a_wrong_one_is_named(rc: rollcall.AsyncClient) -> None:
    upload = await rc.upload(
        b"Cell;Mail;First;Last\n+44 20 7946 0018;ada@x.example;Ada;Holm\n",
        draft=True,
        mapping={"mobile_no": "Cell", "email": "Mail", "employee_name": ["First", "Last"]},
        optional=["company_name"],
        on_duplicate="update",
        max_rejects=7,
        header_line=1,
        delimiter=";",
    )
    assert (upload.on_duplicate, upload.max_rejects, upload.optional) == ("update", 7, ["company_name"])
    assert upload.fields["employee_name"].columns == ["First", "Last"]
    sample = await upload.sample(rows=1)
    assert (sample.rows[0].values or {})["employee_name"] == "Ada Holm"
    with pytest.raises(TypeError, match="no such option: colour"):
        await rc.upload(HEADER, colour="red")  # type: ignore[call-arg]
    with pytest.raises(rollcall.InvalidRequest) as refused:
        await rc.upload(HEADER + ROW, header_line=0)
    assert "headerLine" in str(refused.value.errors)


@pytest.mark.parametrize("name", ['quo"ted.csv', "two\r\nlines.csv", "lidé.csv", "lone\udcff.csv", "a/b.csv"])
async def test_name_of_a_file_makes_no_other_form_of_it(rc: rollcall.AsyncClient, name: str) -> None:
    upload = await rc.upload(HEADER + ROW, filename=name, draft=True)
    assert upload.problem is None
    assert upload.filename.endswith(".csv")
    assert "\n" not in upload.filename


async def test_file_that_became_shorter_meanwhile_is_no_upload(rc: rollcall.AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "staff.csv"
    path.write_bytes(HEADER + ROW * 20_000)

    def cut(_: int, __: int | None) -> None:
        os.truncate(path, len(HEADER))

    with pytest.raises(OSError, match="became shorter"):
        await rc.upload(path, on_bytes=cut)
    assert [each async for each in rc.uploads()] == []


async def test_template_is_a_file_that_is_taken(rc: rollcall.AsyncClient, tmp_path: Path) -> None:
    for template in (rc.template_csv(language="de"), rc.template_xlsx()):
        assert await template.save(tmp_path / "template") > 0
        assert (await rc.upload(tmp_path / "template", draft=True)).problem is None


async def test_system_says_how_it_is(rc: rollcall.AsyncClient) -> None:
    assert (await rc.live())["status"]
    assert await rc.ready()
    assert "rollcall_" in await rc.metrics()
    assert (await rc.status()).versions.app == rollcall.__version__
    with pytest.raises(rollcall.UnknownEmployee):
        await rc.delete_employee(4)
