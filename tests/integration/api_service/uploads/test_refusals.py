"""Every reason to refuse an upload: its body, and that nothing of the upload is kept."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from api_service.uploads import intake
from api_service.uploads.judgement import BLOCK_BYTES
from shared.errors import FileCode
from tests.support.api import running_api
from tests.support.patience import patience
from tests.support.uploads import HEADER, SMALL_CSV, UPLOAD, send, stored_files
from tests.support.waiting import eventually
from tests.support.workbooks import xlsx, zipped

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FILE_HEAD = b'--b\r\nContent-Disposition: form-data; name="employee_data"; filename="a.csv"\r\n\r\n'


@pytest.fixture(autouse=True)
async def _nothing_is_kept(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Holds for every refusal in this file."""
    # Whoever is refused while he sends gets to the end of it, on a busy machine too, and so to his answer.
    monkeypatch.setattr(intake, "LINGER_SECONDS", 30 * patience())
    yield
    await eventually(lambda: stored_files(upload_store_url) == [])
    assert await database.fetchval("SELECT count(*) FROM uploads") == 0


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The body, once it is known to be a whole problem of this code."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert answer.status_code == body["status"] == status, body
    assert body["code"] == code
    assert body["type"] == f"/guide/codes#{code}"
    assert body["instance"] == UPLOAD
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    ("code", "content", "fields", "said"),
    [
        (FileCode.EMPTY_FILE, b"", {}, "empty"),
        (FileCode.EMPTY_FILE, b"\n \n", {}, "empty"),
        (FileCode.NOT_CSV, b"%PDF-1.7\n" + bytes(100), {}, "a PDF document"),
        (FileCode.NOT_CSV, b"<html><table><tr><td>Name</td></tr></table></html>", {}, "HTML"),
        (FileCode.NOT_CSV, zipped({"staff.csv": SMALL_CSV.decode()}), {}, "a zip archive"),
        (FileCode.DAMAGED_FILE, b"PK\x03\x04" + bytes(100), {}, "damaged"),
        (FileCode.DAMAGED_FILE, gzip.compress(SMALL_CSV)[:-9], {}, "cut off"),
        (FileCode.TOO_LARGE_UNPACKED, gzip.compress(bytes(10 << 20)), {}, "in parts"),
        (FileCode.UNKNOWN_SHEET, xlsx(("Staff", [["Name"]])), {"sheet": "Personal"}, "“Staff”"),
        (FileCode.NOT_CSV, SMALL_CSV + b"A\0,B,1234567,a@example.com\n", {}, "NUL"),
        (FileCode.UNKNOWN_ENCODING, SMALL_CSV, {"encoding": "klingon"}, "encoding"),
        (FileCode.WRONG_ENCODING, HEADER + b"\xff\xfe,B,1,a@b.c\n", {"encoding": "utf-8"}, "utf-8"),
        (FileCode.WRONG_ENCODING, HEADER * 5000 + b"\x81", {"encoding": "shift_jis"}, "shift_jis"),
        (FileCode.INVALID_DELIMITER, SMALL_CSV, {"delimiter": "@"}, "delimiter"),
        (FileCode.INVALID_MAPPING, SMALL_CSV, {"mapping": "{"}, "mapping"),
        (FileCode.UNKNOWN_COLUMN, SMALL_CSV, {"mapping": '{"email": "Mail"}'}, "Mail"),
        (FileCode.MISSING_COLUMNS, b"name,company\nA,B\n", {}, "mobile_no, email"),
        (FileCode.AMBIGUOUS_COLUMNS, b"name,company,phone,telephone,email\n", {}, "phone"),
        (FileCode.UNCLOSED_QUOTE, b'name,company,phone,"email\nA,B,1,a@b.c\n', {}, "line 1"),
        (FileCode.ENCODING_UNCLEAR, HEADER + "Jiří,B,1234567,a@b.c\n".encode("cp1250"), {}, "candidates"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    api: httpx2.AsyncClient, code: FileCode, content: bytes, fields: dict[str, str], said: str
) -> None:
    body = problem(await send(api, content, **fields), 422, code)
    assert said in body["detail"]


async def test_unclear_encoding_brings_candidates_of_which_the_right_one_reads_right_and_is_then_taken(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    names = ("Jiří Dvořák", "Božena Němcová", "Tomáš Růžička", "Žofie Černá")
    lines = [f"{name},Škoda,+420601{at:06},p{at}@example.com\n" for at, name in enumerate(names)]
    content = HEADER + "".join(lines).encode("cp1250")
    body = problem(await send(api, content), 422, "encoding_unclear")

    candidates = {each["encoding"]: each["samples"] for each in body["candidates"]}
    assert 2 <= len(candidates) <= 5
    assert {len(samples) for samples in candidates.values()} == {3}
    assert set(candidates["cp1250"]) < set(names)
    assert "encoding=guess" in body["detail"]

    for encoding, is_guessed in (("cp1250", False), ("guess", True)):
        answer = await send(api, content, encoding=encoding)
        assert answer.status_code == 202, answer.text
        taken = (answer.json()["encoding"], answer.json()["encodingGuessed"])
        assert taken == ("cp1250" if encoding == "cp1250" else body["candidates"][0]["encoding"], is_guessed)
        await database.execute("UPDATE uploads SET status = 'succeeded', finished_at = now()")
        assert (await api.delete(f"/v1/uploads/{answer.json()['id']}")).status_code == 204


async def test_value_of_escape_that_is_not_known_is_refused_with_the_one_that_is(api: httpx2.AsyncClient) -> None:
    body = problem(await send(api, escape="doubled"), 422, "invalid_request")
    assert body["detail"] == "The field escape must be backslash, or left out."


async def test_each_missing_column_is_named(api: httpx2.AsyncClient) -> None:
    body = problem(await send(api, b"name,company\nA,B\n"), 422, "missing_columns")
    assert [error["field"] for error in body["errors"]] == ["mobile_no", "email"]


@pytest.mark.parametrize(
    "value", ["-1", "+1", "1.5", "1e3", "1_000", " 5", "5\n", "ten", "٣", "1000001", "9" * 19, "9" * 5_000]
)
async def test_limit_of_rejects_that_is_none_is_refused_with_those_that_are(
    value: str, api: httpx2.AsyncClient
) -> None:
    body = problem(await send(api, maxRejects=value), 422, "invalid_request")
    assert body["detail"] == "The field maxRejects must be a whole number from 0 to 1000000, or left out."
    assert [error["location"] for error in body["errors"]] == ["body.maxRejects"]


@pytest.mark.parametrize(("field", "value"), [("onDuplicate", "merge"), ("header", "maybe"), ("escape", "caret")])
async def test_a_field_with_another_value_is_refused(api: httpx2.AsyncClient, field: str, value: str) -> None:
    body = problem(await send(api, SMALL_CSV, **{field: value}), 422, "invalid_request")
    assert body["errors"][0]["location"] == f"body.{field}"
    assert value not in str(body["errors"])


async def test_a_field_that_is_not_known_is_refused(api: httpx2.AsyncClient) -> None:
    body = problem(await send(api, ondupliacte="skip"), 422, "invalid_request")
    assert "onDuplicate" in body["detail"]


@pytest.mark.parametrize("key", ["two words", "x" * 256, "tab\there"])
async def test_an_idempotency_key_that_is_not_visible_ascii_is_refused(api: httpx2.AsyncClient, key: str) -> None:
    body = problem(await send(api, key=key), 422, "invalid_request")
    assert body["errors"][0]["location"] == "header.idempotency-key"
    assert key not in str(body)


@pytest.mark.parametrize("field", ["file", "upload"])
async def test_a_file_in_another_field_is_refused(api: httpx2.AsyncClient, field: str) -> None:
    body = problem(await api.post(UPLOAD, files={field: ("a.csv", SMALL_CSV)}), 422, "missing_file")
    assert "employee_data" in body["detail"]


async def test_a_form_without_a_file_is_refused(api: httpx2.AsyncClient) -> None:
    problem(await api.post(UPLOAD, files=[("header", (None, b"auto"))]), 422, "missing_file")


async def test_two_files_are_refused(api: httpx2.AsyncClient) -> None:
    files = [("employee_data", ("a.csv", SMALL_CSV)), ("employee_data", ("b.csv", SMALL_CSV))]
    problem(await api.post(UPLOAD, files=files), 422, "several_files")


@pytest.mark.parametrize("content_type", [None, "text/csv", "application/x-www-form-urlencoded"])
async def test_a_body_that_is_no_form_is_refused(api: httpx2.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    problem(await api.post(UPLOAD, content=SMALL_CSV, headers=headers), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"Content-Type": "multipart/form-data"}, FILE_HEAD),
        ({"Content-Type": f"multipart/form-data; boundary={'b' * 71}"}, FILE_HEAD),
        (FORM, b""),
        (FORM, b"not a part"),
        (FORM, FILE_HEAD + SMALL_CSV),
        (FORM, FILE_HEAD + SMALL_CSV + b"\r\n--b\r\n"),
        (FORM, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        (FORM, b"--b\r\nContent-Type\r\n\r\nx\r\n--b--\r\n"),
        (FORM, b"--b\r\nX: " + b"x" * 100_000 + b"\r\n\r\nx\r\n--b--\r\n"),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="mapping"\r\n\r\n' + b"x" * 100_000 + b"\r\n--b--\r\n"),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="header"\r\n\r\nauto\r\n' * 40 + b"--b--\r\n"),
        (
            FORM,
            b'--b\r\nContent-Disposition: form-data; name="header"\r\n\r\n\xff\r\n'
            + FILE_HEAD
            + SMALL_CSV
            + b"\r\n--b--\r\n",
        ),
    ],
    ids=[
        "no boundary",
        "long boundary",
        "empty",
        "no part",
        "cut in the file",
        "cut after the file",
        "part without a name",
        "header without a colon",
        "long header",
        "long field",
        "many parts",
        "field in latin-1",
    ],
)
async def test_a_broken_form_is_refused(api: httpx2.AsyncClient, headers: dict[str, str], content: bytes) -> None:
    problem(await api.post(UPLOAD, content=content, headers=headers), 400, "malformed_form")


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(api: httpx2.AsyncClient) -> None:
    reader, writer = await connect(api)
    writer.write(request_head(f"Content-Length: {2 * 1024 * 1024}"))
    assert await asyncio.wait_for(status_line(reader), 30 * patience()) == 413
    writer.close()


@pytest.mark.parametrize("repeat", [22_000, 200_000], ids=["a little", "a lot"])
async def test_a_file_that_turns_out_too_large_is_refused(api: httpx2.AsyncClient, repeat: int) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        yield FILE_HEAD
        for _ in range(repeat // 1000):
            yield SMALL_CSV * 1000

    body = problem(await api.post(UPLOAD, content=blocks(), headers=FORM), 413, "too_large")
    assert "1048576 bytes" in body["detail"]


async def test_what_surrounds_the_file_counts_too(api: httpx2.AsyncClient) -> None:
    async def line_breaks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"\r\n" * 8000

    problem(await api.post(UPLOAD, content=line_breaks(), headers=FORM), 413, "too_large")


async def test_a_client_that_pauses_too_long_is_refused(settings: ApiSettings) -> None:
    async with running_api(settings.model_copy(update={"body_timeout_seconds": 0.3})) as api:
        reader, writer = await connect(api)
        writer.write(request_head("Content-Length: 1000") + FILE_HEAD)
        assert await asyncio.wait_for(status_line(reader), 30 * patience()) == 408
        assert b'"code":"body_timeout"' in await asyncio.wait_for(reader.read(), 30 * patience())
        writer.close()


async def test_a_client_that_trickles_is_refused(settings: ApiSettings) -> None:
    impatient = settings.model_copy(update={"body_timeout_seconds": 0.3, "body_least_bytes_per_second": 10_000})
    async with running_api(impatient) as api:
        reader, writer = await connect(api)
        writer.write(request_head("Content-Length: 1000000") + FILE_HEAD)
        answer = asyncio.create_task(status_line(reader))
        async with asyncio.timeout(30 * patience()):
            while not answer.done():
                writer.write(b"x")
                await asyncio.wait({answer}, timeout=0.05)
        assert answer.result() == 408
        writer.close()


@pytest.mark.parametrize("sent", [b"", FILE_HEAD, FILE_HEAD + SMALL_CSV * 5000], ids=["head", "part", "much"])
async def test_a_client_that_hangs_up_leaves_nothing(api: httpx2.AsyncClient, sent: bytes) -> None:
    _, writer = await connect(api)
    writer.write(request_head("Content-Length: 1000000") + sent)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await api.get("/v1/uploads")).status_code == 200


async def test_form_that_is_refused_in_the_middle_holds_only_what_came_last_while_its_client_goes_on(
    api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its room is others' by then."""
    refused = 0
    linger = intake._linger

    async def counted(stream: AsyncIterator[bytes]) -> None:
        nonlocal refused
        refused += 1
        await linger(stream)

    monkeypatch.setattr(intake, "_linger", counted)
    nearly_a_block = b"x" * (BLOCK_BYTES - 4096)
    unknown_field = b'\r\n--b\r\nContent-Disposition: form-data; name="other"\r\n\r\n'
    request = request_head("Content-Length: 1000000") + FILE_HEAD + nearly_a_block + unknown_field

    async def refuse_another() -> asyncio.StreamWriter:
        expected = refused + 1
        _, writer = await connect(api)
        writer.write(request)
        await writer.drain()
        await eventually(lambda: refused == expected)
        return writer

    clients = [await refuse_another()]
    tracemalloc.start()
    clients += [await refuse_another() for _ in range(10)]
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    for client in clients:
        client.close()
    # As it came, and what the server holds of a connection.
    assert held < 10 * 1.5 * len(nearly_a_block)


async def connect(api: httpx2.AsyncClient) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(str(api.base_url))
    return await asyncio.open_connection(address.hostname, address.port)


def request_head(header: str) -> bytes:
    return (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: 10.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n{header}\r\n\r\n"
    ).encode()


async def status_line(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])
