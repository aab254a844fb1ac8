"""A draft is judged and does nothing; it is changed, started once, cancelled, or expires."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.operations.retention import purge
from api_service.settings import ApiSettings
from producer_service.uploads import leases
from shared.amqp import queue_depths
from shared.amqp.queue_depths import read_depth
from shared.amqp.topology import UPLOADS_QUEUE
from shared.rows.csv_format import NEWEST_READER_VERSION
from shared.store_identity import StoreIdentity
from shared.upload_store import UploadStore
from tests.integration.api_service.uploads.conftest import Process
from tests.support.uploads import HEADER, SMALL_CSV, send, stored_files
from tests.support.waiting import eventually
from tests.support.workbooks import xlsx

CZECH = "Name,Firma,Telefon,Email\nJiří Dvořák,Škoda,+420 601 234 567,jiri@skoda.example\n".encode("cp1250")
TWO_PHONES = b"Name,Company,Phone,Telephone,Email\nAsha Rao,Initech,+91 98765 43210,+91 98765 43211,asha@example.com\n"
# As release 0.2.0 looks for uploads that nobody works on.
EARLIER_PRODUCERS_TAKE = """
    SELECT count(*) FROM uploads AS u LEFT JOIN upload_leases AS l ON l.upload_id = u.id
    WHERE u.finished_at IS NULL AND u.reader_version <= $1 AND (l.upload_id IS NULL OR l.expires_at < now())
"""


async def draft(api: httpx2.AsyncClient, content: bytes = SMALL_CSV, **given: str) -> dict[str, Any]:
    answer = await send(api, content, start="draft", **given)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    assert made["status"] == "draft"
    assert answer.headers["ETag"] == f'"{made["revision"]}"'
    return made


async def change(api: httpx2.AsyncClient, upload: dict[str, Any], **options: Any) -> httpx2.Response:
    headers = {"If-Match": str(upload["revision"])}
    return await api.patch(f"/v1/uploads/{upload['id']}", json=options, headers=headers)


async def start(api: httpx2.AsyncClient, upload: dict[str, Any], **headers: str) -> httpx2.Response:
    return await api.post(f"/v1/uploads/{upload['id']}/start", headers=headers)


async def due(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        found = await leases.due_uploads(connection, over_bytes=-1, up_to_bytes=1 << 40, limit=10)
    return [str(each) for each in found]


async def test_draft_is_known_everywhere_and_nobody_works_on_it(
    api: httpx2.AsyncClient,
    engine: AsyncEngine,
    database: asyncpg.Connection,
    settings: ApiSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_depths, "ANSWER_SECONDS", 60)
    made = await draft(api, onDuplicate="update", maxRejects="7", mapping='{"email": "email"}')
    assert made["problem"] is None
    assert made["options"] == {"onDuplicate": "update", "maxRejects": 7, "mapping": {"email": "email"}}
    assert (await api.get("/v1/uploads?status=draft")).json()["data"] == [made]
    status = (await api.get("/v1/status")).json()
    assert (status["uploads"]["draft"], status["oldestUnfinishedUploadSeconds"]) == (1, 0)
    assert status["troubles"] == []
    assert "rollcall_api_unfinished_uploads 0.0" in (await api.get("/metrics")).text
    assert await read_depth(settings, UPLOADS_QUEUE) == 0

    assert await due(engine) == []
    assert await database.fetchval(EARLIER_PRODUCERS_TAKE, NEWEST_READER_VERSION) == 0
    async with engine.begin() as connection:
        assert await leases.acquire(connection, made["id"], owner="anybody", seconds=5) is None
    for name in ("rejects", "rejects.csv", "file"):
        assert (await api.get(f"/v1/uploads/{made['id']}/{name}")).status_code == 200


async def test_started_draft_ends_as_the_upload_would_have(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    content = SMALL_CSV + b"B,C,1234567,b@example.com\nBad,C,1234567,nobody\n"
    made = await draft(api, content)
    other = await process(HEADER + b"Asha Older,Initech,1234567,asha@example.com\n", onDuplicate="update")
    made = (await change(api, made, onDuplicate="update")).json()
    answer = await start(api, made)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["Location"] == f"/v1/uploads/{made['id']}"

    async def is_finished() -> bool:
        made.update((await api.get(f"/v1/uploads/{made['id']}")).json())
        return made["finishedAt"] is not None

    await eventually(is_finished, seconds=60)
    assert (made["status"], made["inserted"], made["updated"], made["rejected"]) == ("partially_succeeded", 1, 1, 1)
    # It was accepted when it was started, after the other one.
    name = await database.fetchval("SELECT employee_name FROM employees WHERE email = 'asha@example.com'")
    assert name == "Asha Rao"
    assert [each["id"] for each in (await api.get("/v1/uploads")).json()["data"]] == [made["id"], other["id"]]
    again = await start(api, made)
    assert (again.status_code, again.json()["code"]) == (409, "not_a_draft")


async def test_two_that_start_a_draft_at_once_start_it_once(api: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    made = await draft(api)
    answers = await asyncio.gather(*(start(api, made) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409]
    assert await due(engine) == [made["id"]]


@pytest.mark.parametrize(
    ("content", "given", "code", "mended"),
    [
        (CZECH, {}, "encoding_unclear", {"encoding": "cp1250"}),
        (CZECH, {"encoding": "utf-8"}, "wrong_encoding", {"encoding": "windows-1250"}),
        (TWO_PHONES, {}, "ambiguous_columns", {"mapping": {"mobile_no": "Phone"}}),
        (
            TWO_PHONES,
            {"mapping": '{"mobile_no": "Fone"}'},
            "unknown_column",
            {"mapping": {"mobile_no": ["Telephone"]}},
        ),
        (
            b"Who,Firm,Nr,Email\nAsha Rao,Initech,+91 98765 43210,asha@example.com\n",
            {},
            "missing_columns",
            {"mapping": {"employee_name": "Who", "company_name": "Firm", "mobile_no": "Nr"}},
        ),
        (
            b"Asha Rao,+91 98765 43210,asha@example.com,Initech\nB Rao,+91 98765 43211,b@example.com,Initech\n",
            {},
            "no_header",
            {"columns": ["employee_name", "mobile_no", "email", "company_name"]},
        ),
        (
            b"Name,Company,Phone,Email\n" + b"".join(b"Asha %d,C,1234567,user%d\n" % (at, at) for at in range(6)),
            {},
            "unlikely_columns",
            {"header": "present"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_what_options_can_mend_is_a_draft_that_starts_once_it_is_mended(
    api: httpx2.AsyncClient, content: bytes, given: dict[str, str], code: str, mended: dict[str, Any]
) -> None:
    refused = await send(api, content, **given)
    assert (refused.status_code, refused.json()["code"]) == (422, code)

    made = await draft(api, content, **given)
    assert made["problem"]["code"] == code
    assert made["problem"]["detail"] == refused.json()["detail"]
    assert made["problem"].get("candidates") == refused.json().get("candidates")
    answer = await start(api, made)
    assert (answer.status_code, answer.json()["code"]) == (409, "draft_has_problem")
    assert code in answer.json()["detail"]

    answer = await change(api, made, **mended)
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["problem"], changed["status"], changed["revision"]) == (None, "draft", made["revision"] + 1)
    assert answer.headers["ETag"] == f'"{changed["revision"]}"'
    assert (await start(api, changed)).status_code == 202


async def test_one_problem_is_mended_after_the_other(api: httpx2.AsyncClient) -> None:
    content = TWO_PHONES.replace(b"Asha Rao", "Jiří Dvořák".encode("cp1250"))
    made = await draft(api, content)
    assert (made["problem"]["code"], made["encoding"]) == ("encoding_unclear", None)
    made = (await change(api, made, encoding="cp1250")).json()
    assert (made["problem"]["code"], made["encoding"], made["delimiter"]) == ("ambiguous_columns", "cp1250", None)
    made = (await change(api, made, mapping={"mobile_no": "Telephone"})).json()
    assert (made["problem"], made["fields"]["mobile_no"]["columns"]) == (None, ["Telephone"])
    # What is taken back is in doubt again.
    made = (await change(api, made, mapping=None)).json()
    assert (made["problem"]["code"], made["options"]) == ("ambiguous_columns", {"encoding": "cp1250"})


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n0000", b"PK\x03\x04 no workbook"])
async def test_what_no_option_can_mend_is_refused_as_ever(
    api: httpx2.AsyncClient, upload_store_url: str, content: bytes
) -> None:
    refused, as_draft = await send(api, content), await send(api, content, start="draft")
    assert as_draft.status_code == 422
    assert as_draft.json() == refused.json()
    assert stored_files(upload_store_url) == []


async def test_a_change_needs_the_revision_that_it_is_of(api: httpx2.AsyncClient) -> None:
    made = await draft(api)
    address = f"/v1/uploads/{made['id']}"
    options = {"onDuplicate": "update"}
    unsaid = await api.patch(address, json=options)
    assert (unsaid.status_code, unsaid.json()["code"]) == (428, "revision_needed")
    odd = await api.patch(address, json=options, headers={"If-Match": "yesterday"})
    assert (odd.status_code, odd.json()["code"]) == (422, "invalid_request")
    for tag in ('"1"', '"9", "2"', "*"):
        changed = await api.patch(address, json=options, headers={"If-Match": tag})
        assert changed.status_code == 200, changed.text
    assert (await api.get(address)).headers["ETag"] == changed.headers["ETag"] == '"4"'
    late = await change(api, made, onDuplicate="reject")
    assert (late.status_code, late.json()["code"]) == (412, "revision_changed")
    assert (await start(api, made, **{"If-Match": '"1"'})).status_code == 412
    assert (await start(api, made, **{"If-Match": '"4"'})).status_code == 202
    over = await change(api, changed.json(), onDuplicate="reject")
    assert (over.status_code, over.json()["code"]) == (409, "not_a_draft")
    nobody = await api.patch(f"/v1/uploads/{'0' * 8}-0000-4000-8000-{'0' * 12}", json={}, headers={"If-Match": "1"})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown_upload")


async def test_of_changes_at_once_one_is_taken(api: httpx2.AsyncClient) -> None:
    made = await draft(api)
    answers = await asyncio.gather(*(change(api, made, maxRejects=at) for at in range(6)))
    taken = [answer.json() for answer in answers if answer.status_code == 200]
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 5]
    assert (await api.get(f"/v1/uploads/{made['id']}")).json() == taken[0]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"encoding": "klingon"}, "unknown_encoding"),
        ({"delimiter": '"'}, "invalid_delimiter"),
        ({"mapping": {"salary": "Pay"}}, "invalid_mapping"),
        ({"maxRejects": -1}, "invalid_request"),
        ({"header": "maybe"}, "invalid_request"),
        ({"start": "now"}, "invalid_request"),
        ({"sheet": "Staff"}, "invalid_request"),
        ({"columns": "email", "mapping": {"email": "x"}}, "invalid_request"),
    ],
)
async def test_a_change_that_cannot_be_leaves_the_draft_as_it_was(
    api: httpx2.AsyncClient, options: dict[str, Any], code: str
) -> None:
    made = await draft(api)
    answer = await change(api, made, **options)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await api.get(f"/v1/uploads/{made['id']}")).json() == made


async def test_a_draft_is_one_however_often_it_is_sent(api: httpx2.AsyncClient, upload_store_url: str) -> None:
    made = await draft(api, CZECH, key="k-1")
    assert (await send(api, CZECH, key="k-1", start="draft")).status_code == 200
    changed = (await change(api, made, encoding="cp1250")).json()
    again = await send(api, CZECH, key="k-1", start="draft")
    assert (again.status_code, again.json()) == (200, changed)
    for options in ({}, {"start": "now"}):
        other = await send(api, CZECH, key="k-1", encoding="cp1250", **options)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(stored_files(upload_store_url)) == 1
    assert (await send(api, key="k-2")).status_code == 202
    assert (await send(api, key="k-2", start="now")).status_code == 200


async def test_cancelled_and_deleted_drafts_were_never_read(
    api: httpx2.AsyncClient, database: asyncpg.Connection, upload_store_url: str
) -> None:
    made = await draft(api, CZECH)
    answer = await api.post(f"/v1/uploads/{made['id']}/cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["rowsRead"]) == (202, "cancelled", 0)
    assert answer.json()["finishedAt"] is not None
    assert answer.json()["problem"] is None
    assert (await api.post(f"/v1/uploads/{made['id']}/cancel")).json()["code"] == "already_finished"
    assert (await start(api, made)).json()["code"] == "not_a_draft"
    assert await database.fetchval("SELECT count(*) FROM upload_leases") == 0

    other = await draft(api)
    assert (await api.delete(f"/v1/uploads/{other['id']}")).status_code == 204
    assert (await api.get(f"/v1/uploads/{other['id']}")).status_code == 404
    assert [path.name for path in stored_files(upload_store_url)] == [made["id"]]


@pytest.mark.usefixtures("no_turn_of_retention")
async def test_draft_that_nobody_starts_expires_with_its_file(
    api: httpx2.AsyncClient,
    engine: AsyncEngine,
    database: asyncpg.Connection,
    settings: ApiSettings,
    upload_store_url: str,
) -> None:
    content = xlsx(("Staff", [["employee_name", "company_name", "mobile_no", "email"]]))
    old, young, started = await draft(api, content), await draft(api), await draft(api)
    assert (await start(api, started)).status_code == 202
    age = timedelta(hours=settings.draft_retention_hours + 1)
    await database.execute(
        "UPDATE uploads SET created_at = created_at - $1::interval WHERE id = ANY($2)", age, [old["id"], started["id"]]
    )
    store = UploadStore(upload_store_url)
    await StoreIdentity(engine, store, may_be_first=True).require()
    assert await purge(engine, store, settings) == (1, 0, 0, 0)

    expired = (await api.get(f"/v1/uploads/{old['id']}")).json()
    assert (expired["status"], expired["problem"]["code"]) == ("cancelled", "draft_expired")
    assert (await start(api, expired)).json()["code"] == "not_a_draft"
    assert (await api.get(f"/v1/uploads/{old['id']}/file")).json()["code"] == "file_gone"
    assert (await api.get(f"/v1/uploads/{old['id']}/sample")).json()["code"] == "file_gone"
    assert sorted(path.name for path in stored_files(upload_store_url)) == sorted([young["id"], started["id"]])
    assert await due(engine) == [started["id"]]
    # How old it was as a draft is no time that it waited.
    assert (await api.get("/v1/status")).json()["oldestUnfinishedUploadSeconds"] < 3600


async def test_another_sheet_of_a_draft_is_read_once_it_is_chosen(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection, upload_store_url: str
) -> None:
    header = ["employee_name", "company_name", "mobile_no", "email"]
    content = xlsx(
        ("Notes", [["nothing", "to", "see", "here"]]),
        ("Staff", [header, ["Asha Rao", "Initech", "919876543210", "asha@example.com"]]),
    )
    made = await draft(api, content, filename="staff.xlsx")
    assert (made["problem"]["code"], made["sheet"]) == ("missing_columns", "Notes")
    sample = (await api.get(f"/v1/uploads/{made['id']}/sample?sheet=Staff")).json()
    assert (sample["sheet"], sample["problem"], sample["rows"][0]["values"]["employee_name"]) == (
        "Staff",
        None,
        "Asha Rao",
    )
    unknown = await change(api, made, sheet="Payroll")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_sheet")
    needless = await change(api, made, encoding="utf-8")
    assert (needless.status_code, needless.json()["code"]) == (422, "invalid_request")
    before = set(stored_files(upload_store_url))

    changed = (await change(api, made, sheet=2)).json()
    assert (changed["problem"], changed["sheet"], changed["sha256"]) == (None, "Staff", made["sha256"])
    # The text of the first sheet has made room for that of the second.
    assert len(stored_files(upload_store_url)) == 2
    assert len(before & set(stored_files(upload_store_url))) == 1
    assert (await start(api, changed)).status_code == 202

    async def is_finished() -> bool:
        changed.update((await api.get(f"/v1/uploads/{made['id']}")).json())
        return changed["finishedAt"] is not None

    await eventually(is_finished, seconds=60)
    assert (changed["status"], changed["inserted"]) == ("succeeded", 1)


async def test_options_and_problems_with_odd_characters_are_kept(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    made = await draft(api, mapping='{"email": "\\u0000\\ud800"}')
    assert made["problem"]["code"] == "unknown_column"
    assert made["options"]["mapping"] == {"email": "\ufffd\ufffd"}
    assert json.loads(await database.fetchval("SELECT options FROM uploads")) == made["options"]
