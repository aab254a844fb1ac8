"""What an accepted upload answers, stores, records and announces."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from api_service.uploads import judgement
from shared.amqp.topology import UPLOADS_QUEUE
from shared.messages import decode_announcement
from shared.rows import format_judge
from shared.rows.fields import FIELD_NAMES, REQUIRED_NAMES
from tests.support.api import running_api
from tests.support.s3 import BUCKET, running_s3, use_s3
from tests.support.uploads import HEADER, SMALL_CSV, UPLOAD, send, stored_files


async def test_an_upload_is_answered_with_its_address_and_what_is_known_of_it(api: httpx2.AsyncClient) -> None:
    answer = await send(api, filename="staff.csv", onDuplicate="update")
    assert answer.status_code == 202
    upload = answer.json()
    assert answer.headers["Location"] == f"/v1/uploads/{upload['id']}"
    assert {name: upload[name] for name in upload if name not in ("id", "createdAt")} == {
        "filename": "staff.csv",
        "uploadedBy": None,
        "status": "queued",
        "onDuplicate": "update",
        "optional": [],
        "undoable": False,
        "undoRequestedAt": None,
        "undoneAt": None,
        "deleted": 0,
        "restored": 0,
        "kept": 0,
        "deactivated": 0,
        "absence": None,
        "preview": None,
        "blankRows": 0,
        "convertedFrom": None,
        "sheet": None,
        "options": {"onDuplicate": "update"},
        "maxRejects": 100_000,
        "bytes": len(SMALL_CSV),
        "sha256": hashlib.sha256(SMALL_CSV).hexdigest(),
        "encoding": "utf-8",
        "encodingGuessed": False,
        "delimiter": ",",
        "columns": list(REQUIRED_NAMES),
        "headerLine": 1,
        "preamble": [],
        "fields": {name: {"columns": [name], "why": "canonical_name"} for name in REQUIRED_NAMES},
        "rowsRead": 0,
        "rowsDone": 0,
        "inserted": 0,
        "updated": 0,
        "duplicates": 0,
        "rejected": 0,
        "rejectedBy": {},
        "unprocessed": 0,
        "progress": 0.0,
        "revision": 1,
        "startedAt": None,
        "finishedAt": None,
        "waitedSeconds": None,
        "readSeconds": None,
        "problem": None,
    }
    assert (await api.get(answer.headers["Location"])).json() == upload


async def test_the_file_is_stored_byte_for_byte(api: httpx2.AsyncClient, upload_store_url: str) -> None:
    content = HEADER + "Zoë,Müller & Söhne,1234567,z@example.com\r\n".encode() * 5000
    upload = (await send(api, content)).json()
    (path,) = stored_files(upload_store_url)
    assert path.read_bytes() == content
    assert path.name == upload["id"]


async def test_the_upload_is_announced_to_the_producers(settings: ApiSettings, amqp_url: str) -> None:
    # By default it is left to the producers' sweep if the first connection to the broker takes more than a second.
    async with running_api(settings.model_copy(update={"announce_timeout_seconds": 60})) as api:
        upload = (await send(api)).json()
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        message = await (await channel.get_queue(UPLOADS_QUEUE)).get(no_ack=True)
    assert message is not None
    assert str(decode_announcement(message.body).upload_id) == upload["id"]


@pytest.mark.fault(32)
async def test_upload_is_stored_with_the_newest_readers_version(
    api: httpx2.AsyncClient, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(format_judge, "PLAIN_READER_VERSION", 7)
    upload = (await send(api)).json()
    assert await database.fetchval("SELECT reader_version FROM uploads WHERE id = $1", upload["id"]) == 7


async def test_what_the_producer_needs_is_in_the_row(
    api: httpx2.AsyncClient, settings: ApiSettings, database: asyncpg.Connection
) -> None:
    content = b"first name;last name;phone;employer;mail\nA;B;1234567;C;a@example.com\n"
    upload = (await send(api, content, header="present")).json()
    row = await database.fetchrow("SELECT * FROM uploads WHERE id = $1", upload["id"])
    assert row is not None
    found = {"employee_name": [0, 1], "company_name": [3], "mobile_no": [2], "email": [4]}
    assert json.loads(row["field_columns"]) == found
    assert (row["delimiter"], row["has_header"], row["chunk_rows"]) == (";", True, settings.chunk_rows)


async def test_fields_may_come_after_the_file(api: httpx2.AsyncClient) -> None:
    content = b"Who|Firm|Cell|Mail\nA|B|1234567|a@example.com\n"
    parts = [
        ("employee_data", ("staff.csv", content)),
        ("mapping", (None, b'{"employee_name": "Who", "company_name": "Firm", "mobile_no": "Cell"}')),
        ("delimiter", (None, b"pipe")),
        ("onDuplicate", (None, b"reject")),
        ("encoding", (None, b"")),
    ]
    answer = await api.post(UPLOAD, files=parts)
    assert answer.status_code == 202, answer.text
    assert answer.json()["onDuplicate"] == "reject"
    assert answer.json()["delimiter"] == "|"


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ('filename="plain.csv"', "plain.csv"),
        ("filename=bare.csv", "bare.csv"),
        ('filename="quote\\"d.csv"', 'quote"d.csv'),
        ('filename="browser%22s.csv"', 'browser"s.csv'),
        ('filename="naïve.csv"', "naïve.csv"),
        ("filename*=UTF-8''na%C3%AFve.csv", "naïve.csv"),
        ('filename="C:\\\\Users\\\\me\\\\staff.csv"', "staff.csv"),
        ('filename="../../etc/staff.csv"', "staff.csv"),
        ('filename=""', "upload.csv"),
        ("x=y", "upload.csv"),
    ],
)
async def test_the_filename_is_taken_as_clients_write_it(
    api: httpx2.AsyncClient, disposition: str, expected: str
) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="employee_data"; {disposition}\r\n\r\n'
    answer = await api.post(
        UPLOAD,
        content=head.encode() + SMALL_CSV + b"\r\n--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["filename"] == expected


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_a_body_in_blocks_of_any_size_is_the_same_upload(
    api: httpx2.AsyncClient, upload_store_url: str, size: int
) -> None:
    # Line breaks and dashes are what a boundary is made of.
    content = SMALL_CSV + b"\r\n--\r\n--b\r--bound\r\n" + b'"--boundary",B,1234567,a@example.com\r\n'
    body = (
        b'--boundary\r\nContent-Disposition: form-data; name="employee_data"; filename="a.csv"\r\n'
        b"Content-Type: text/csv\r\n\r\n" + content + b"\r\n--boundary--\r\n"
    )

    async def blocks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    headers = {"Content-Type": 'multipart/form-data; boundary="boundary"'}
    answer = await api.post(UPLOAD, content=blocks(), headers=headers)
    assert answer.status_code == 202, answer.text
    (path,) = stored_files(upload_store_url)
    assert path.read_bytes() == content


async def test_an_encoding_that_only_the_whole_file_can_prove_is_checked(api: httpx2.AsyncClient) -> None:
    content = HEADER + "山田,ソニー,0312345678,yamada@example.com\n".encode("shift_jis") * 5000
    answer = await send(api, content, encoding="shift_jis")
    assert answer.status_code == 202, answer.text
    assert answer.json()["encoding"] == "shift_jis"


@pytest.mark.parametrize(("fields", "escapes"), [({}, False), ({"escape": "backslash"}, True)])
async def test_the_rules_that_an_upload_is_read_by_are_stored_with_it(
    api: httpx2.AsyncClient, database: asyncpg.Connection, fields: dict[str, str], escapes: bool
) -> None:
    assert (await send(api, SMALL_CSV, **fields)).status_code == 202
    row = await database.fetchrow("SELECT reader_version, backslash_escapes FROM uploads")
    assert row is not None
    assert tuple(row) == (2, escapes)


async def test_file_is_judged_beside_the_event_loop(api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def judge(check: format_judge.ByteCheck, *given: Any) -> format_judge.CsvFormat:
        threads.append(threading.current_thread())
        return format_judge.judge_format(check, *given)

    monkeypatch.setattr(judgement, "judge_format", judge)
    assert (await send(api)).status_code == 202
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


async def test_one_odd_byte_does_not_speak_for_a_file(api: httpx2.AsyncClient) -> None:
    content = HEADER + "Zoë,B,1234567,z@example.com\n".encode() + b"Bj\xf8rn,B,1234567,b@example.com\n"
    upload = (await send(api, content)).json()
    assert (upload["encoding"], upload["encodingGuessed"]) == ("utf-8", False)


async def test_uploads_go_to_an_s3_alike(settings: ApiSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_s3() as endpoint:
        use_s3(monkeypatch, endpoint)
        on_s3 = settings.model_copy(update={"upload_store_url": f"s3://{BUCKET}/uploads", "max_upload_bytes": 10**8})
        async with running_api(on_s3) as api:
            content = HEADER + b"A,B,1234567,a@example.com\n" * 300_000
            upload = (await send(api, content)).json()
            assert (await api.get(f"/v1/uploads/{upload['id']}/file")).content == content
            assert (await send(api, b"")).status_code == 422


async def test_many_uploads_at_once_are_all_taken(api: httpx2.AsyncClient, upload_store_url: str) -> None:
    answers = await asyncio.gather(*(send(api, SMALL_CSV * 100) for _ in range(25)))
    assert [answer.status_code for answer in answers] == [202] * 25
    assert len(stored_files(upload_store_url)) == 25


async def test_the_template_is_an_upload_that_is_accepted(api: httpx2.AsyncClient) -> None:
    template = await api.get(f"{UPLOAD}/template.csv")
    assert template.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert template.text.splitlines()[0] == ",".join(FIELD_NAMES)
    assert len(template.text.splitlines()) == 2
    assert (await send(api, template.content)).status_code == 202


@pytest.mark.parametrize(
    ("fields", "limit"),
    [({}, 7), ({"maxRejects": ""}, 7), ({"maxRejects": "0"}, 0), ({"maxRejects": "0012"}, 12)],
)
async def test_upload_says_past_how_many_rejects_it_ends(
    fields: dict[str, str], limit: int, settings: ApiSettings
) -> None:
    async with running_api(settings.model_copy(update={"max_rejects": 7, "max_rejects_ceiling": 12})) as api:
        upload = (await send(api, SMALL_CSV, **fields)).json()
        assert upload["maxRejects"] == limit
        assert (await api.get(f"/v1/uploads/{upload['id']}")).json()["maxRejects"] == limit


async def test_default_limit_of_rejects_may_be_above_what_a_form_may_say_and_is_said_in_a_form_too(
    settings: ApiSettings,
) -> None:
    async with running_api(settings.model_copy(update={"max_rejects": 20, "max_rejects_ceiling": 10})) as api:
        assert (await send(api)).json()["maxRejects"] == 20
        assert (await send(api, maxRejects="20")).json()["maxRejects"] == 20
        assert (await send(api, maxRejects="21")).status_code == 422
