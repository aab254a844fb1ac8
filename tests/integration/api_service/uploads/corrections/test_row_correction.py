"""A rejected row is corrected while somebody waits: into its own upload, once, and never over somebody else's head."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import asyncpg
import httpx2
import pytest

from api_service.dead_letters import stale_letters
from api_service.settings import ApiSettings
from api_service.uploads.corrections import row_correction, runner
from shared.amqp.topology import DEAD_LETTERS_QUEUE
from shared.database import advisory_locks
from tests.integration.api_service.uploads.conftest import Process
from tests.support.api import running_api
from tests.support.broker import Broker
from tests.support.tcp_proxy import tcp_proxy
from tests.support.uploads import HEADER, insert_rejects, insert_upload
from tests.support.waiting import eventually

FILE = HEADER + (
    b"Asha Rao,Initech,+91 98765 43210,asha@example.com\n"
    b"Bo Ek,Initech,12,bo@example\n"
    b"Cy Fox,Initech,+91 98765 43212,cy at example.com\n"
    b"Di Gray,Initech,+91 98765 43213,asha@example.com,surplus\n"
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome is in the answer on a busy machine too, where a test does not say otherwise."""
    monkeypatch.setattr(row_correction, "WAIT_SECONDS", 60.0)


def address(upload: dict[str, Any], row_number: int) -> str:
    return f"/v1/uploads/{upload['id']}/rejects/{row_number}"


async def code_of(answer: httpx2.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    code: str = answer.json()["code"]
    return code


async def test_rows_go_into_their_own_upload_one_after_the_other_until_it_is_succeeded(
    process: Process, api: httpx2.AsyncClient, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LETTERS_PAUSE_SECONDS", 0.1)
    upload = await process(FILE)
    assert (upload["inserted"], upload["rejected"]) == (1, 3)

    # What breaks a rule is said at once, with all that is wrong, and nothing has changed.
    refused = await api.patch(address(upload, 2), json={"cells": {"mobile_no": "+91 98765 43211"}})
    assert await code_of(refused, 422) == "still_rejected"
    assert [fault["code"] for fault in refused.json()["faults"]] == ["invalid_email"]
    assert "bo@example" not in refused.text
    looked_at = await api.get(address(upload, 2))
    assert (looked_at.headers["ETag"], looked_at.json()["attempt"], looked_at.json()["originalCells"]) == (
        '"1"',
        1,
        None,
    )

    # By field name, by column name as people spell it, and by position.
    both = {"MOBILE NO": "+91 98765 43211", "email": "bo@example.com"}
    answer = await api.patch(address(upload, 2), json={"cells": both}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["outcome"], answer.json()["reject"]) == (200, "inserted", None)
    kept = await api.get(answer.headers["Location"])
    assert (kept.json()["state"], kept.json()["inserted"], kept.json()["total"]) == ("succeeded", 1, 1)
    whole = ["Cy Fox", "Initech", "+91 98765 43212", "cy@example.com"]
    answer = await api.patch(address(upload, 3), json={"cells": whole, "attempt": 1})
    assert answer.json()["outcome"] == "inserted"
    answer = await api.patch(address(upload, 4), json={"cells": {"surplus_cells": ""}})
    assert answer.json()["outcome"] == "duplicate"

    after = (await api.get(f"/v1/uploads/{upload['id']}")).json()
    counts = ("status", "inserted", "duplicates", "rejected", "rejectedBy", "rowsRead")
    assert [after[name] for name in counts] == ["succeeded", 3, 1, 0, {}, 4]
    assert after["revision"] > upload["revision"]
    assert (await api.get(f"/v1/uploads/{upload['id']}/rejects")).json()["data"] == []
    listed = (await api.get("/v1/employees?limit=100")).json()["data"]
    assert {(each["email"], each["uploadId"]) for each in listed} == {
        (email, upload["id"]) for email in ("asha@example.com", "bo@example.com", "cy@example.com")
    }
    await eventually(lambda: broker.has_ready(DEAD_LETTERS_QUEUE, 0))
    assert await code_of(await api.patch(address(upload, 3), json={"cells": whole}), 404) == "unknown_reject"
    again = await api.patch(address(upload, 3), json={"cells": whole, "attempt": 1})
    assert await code_of(again, 409) == "row_changed"


async def test_row_that_fails_again_is_dead_again_once_and_shows_both_its_cells(
    process: Process, api: httpx2.AsyncClient
) -> None:
    upload = await process(FILE, onDuplicate="reject")
    cells = {"email": "asha@example.com"}

    answer = await api.patch(address(upload, 3), json={"cells": cells})

    reject = answer.json()["reject"]
    assert (answer.status_code, answer.json()["outcome"], answer.headers["ETag"]) == (200, "rejected", '"2"')
    assert (reject["code"], reject["attempt"]) == ("duplicate_email", 2)
    assert reject["cells"] == ["Cy Fox", "Initech", "+91 98765 43212", "asha@example.com"]
    assert reject["originalCells"] == ["Cy Fox", "Initech", "+91 98765 43212", "cy at example.com"]
    assert (await api.get(address(upload, 3))).json() == reject
    report = (await api.get(f"/v1/uploads/{upload['id']}/rejects.csv")).text
    assert "Cy Fox,Initech,+91 98765 43212,asha@example.com,,3,4,duplicate_email" in report
    letters = (await api.get("/v1/dead-letters?limit=100")).json()["data"]
    assert [each["messageId"] for each in letters if each["rowNumber"] == 3] == [f"{upload['id']}:3:2"]
    stale = await api.patch(address(upload, 3), json={"cells": {"email": "cy@example.com"}, "attempt": 1})
    assert await code_of(stale, 409) == "row_changed"
    answer = await api.patch(address(upload, 3), json={"cells": {"email": "cy@example.com"}, "attempt": 2})
    assert answer.json()["outcome"] == "inserted"
    after = (await api.get(f"/v1/uploads/{upload['id']}")).json()
    assert (after["inserted"], after["rejected"], after["status"]) == (2, 2, "partially_succeeded")


@pytest.mark.usefixtures("no_turn_of_retention")
async def test_letters_of_corrected_rows_go_though_somebody_else_has_their_queue_in_hand_meanwhile(
    process: Process,
    api: httpx2.AsyncClient,
    broker: Broker,
    database: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "LETTERS_PAUSE_SECONDS", 0.1)
    upload = await process(FILE)
    await eventually(lambda: broker.has_ready(DEAD_LETTERS_QUEUE, 3))
    turns: list[bool] = []
    turn_queue = stale_letters.turn_queue

    async def noted(*given: Any, **more: Any) -> bool:
        turns.append(await turn_queue(*given, **more))
        return turns[-1]

    await database.execute("SELECT pg_advisory_lock($1)", advisory_locks.DEAD_LETTERS)
    monkeypatch.setattr(stale_letters, "turn_queue", noted)
    answer = await api.patch(address(upload, 3), json={"cells": {"email": "cy@example.com"}})
    assert answer.json()["outcome"] == "inserted"
    await eventually(lambda: len(turns) >= 1)
    assert not any(turns)

    await database.execute("SELECT pg_advisory_unlock($1)", advisory_locks.DEAD_LETTERS)

    await eventually(lambda: broker.has_ready(DEAD_LETTERS_QUEUE, 2))


@pytest.mark.fault(44)
async def test_of_corrections_and_redrives_of_a_row_at_once_one_is_first_and_the_others_are_told(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload = await process(FILE)
    corrections = [
        api.patch(address(upload, 3), json={"cells": {"email": f"cy{number}@example.com"}}) for number in range(5)
    ]
    redrive = api.post("/v1/dead-letters/redrive", json={"uploadId": upload["id"]})
    deletion = api.request("DELETE", "/v1/dead-letters", json={"uploadId": upload["id"], "code": "wrong_column_count"})

    *answers, _, _ = await asyncio.gather(*corrections, redrive, deletion)

    outcomes = [answer.json().get("outcome") or answer.json()["code"] for answer in answers]
    assert outcomes.count("inserted") <= 1
    assert set(outcomes) <= {"inserted", "row_changed", "unknown_reject"}, outcomes
    standing = await database.fetchval("SELECT count(*) FROM employees WHERE email LIKE 'cy%'")
    assert standing == outcomes.count("inserted")
    after = (await api.get(f"/v1/uploads/{upload['id']}")).json()
    assert (after["inserted"], after["rejected"]) == (1 + standing, 3 - standing)


async def test_what_cannot_be_corrected_is_told_why(api: httpx2.AsyncClient, database: asyncpg.Connection) -> None:
    right = {"cells": {"email": "a@example.com"}}
    cells = ["Asha Rao", "Initech", "+91 98765 43210", "nobody"]
    finished = {"id": str(await insert_upload(database, status="partially_succeeded", rejected=2, rows_read=3))}
    await insert_rejects(database, uuid.UUID(finished["id"]), [(1, cells), (2, cells)])
    await database.execute("UPDATE rejected_rows SET discarded_at = now() WHERE row_number = 2")
    running = {"id": str(await insert_upload(database, status="running"))}
    undone = {"id": str(await insert_upload(database, status="undone", rejected=1))}
    purged = {"id": str(await insert_upload(database, status="partially_succeeded", rejected=1))}

    assert await code_of(await api.patch(address({"id": uuid.uuid4()}, 1), json=right), 404) == "unknown_upload"
    assert await code_of(await api.patch(address(running, 1), json=right), 409) == "not_finished"
    assert await code_of(await api.patch(address(undone, 1), json=right), 409) == "already_undone"
    assert await code_of(await api.patch(address(finished, 3), json=right), 404) == "unknown_reject"
    assert await code_of(await api.patch(address(finished, 2), json=right), 409) == "letter_deleted"
    assert await code_of(await api.patch(address(purged, 1), json=right), 410) == "rejects_gone"
    assert (await api.get(address(finished, 2))).json()["deletedAt"] is not None
    bodies: list[dict[str, Any]] = [
        {"cells": {"salary": "1"}},
        {"cells": {"email": "a@example.com", "E-Mail": "b@example.com"}},
        {"cells": {"mobile_no": 9876543210}},
        {"cells": {"email": None}},
        {"cell": {}},
        {},
        {**right, "attempt": 0},
        {**right, "email": "a@example.com"},
    ]
    for body in bodies:
        assert await code_of(await api.patch(address(finished, 1), json=body), 422) == "invalid_request", body
    wrong = await api.patch(address(finished, 1), json={**right, "attempt": 2}, headers={"If-Match": '"1"'})
    assert await code_of(wrong, 422) == "invalid_request"
    assert await code_of(await api.patch(address(finished, 0), json=right), 422) == "invalid_request"
    unknown = f"/v1/uploads/{finished['id']}/corrections/{uuid.uuid4()}"
    for answer in (await api.get(unknown), await api.get(f"{unknown}/rows"), await api.delete(unknown)):
        assert await code_of(answer, 404) == "unknown_correction"
    assert await database.fetchval("SELECT count(*) FROM corrections") == 0


async def test_what_is_left_of_a_row_never_passes_for_it(process: Process, api: httpx2.AsyncClient) -> None:
    upload = await process(FILE + b'Ed "Ny" Hill,Initech,"+91 98765 43214,ed@example.com\n')
    assert upload["rejectedBy"]["malformed_quotes"] == 1

    partial = await api.patch(address(upload, 5), json={"cells": {"email": "ed@example.com"}})
    assert await code_of(partial, 422) == "invalid_request"
    whole = ["Ed Hill", "Initech", "+91 98765 43214", "ed@example.com"]
    assert (await api.patch(address(upload, 5), json={"cells": whole})).json()["outcome"] == "inserted"


async def test_nobody_who_answers_means_202_and_the_row_goes_in_later(
    settings: ApiSettings,
    api: httpx2.AsyncClient,
    process: Process,
    amqp_url: str,
    database: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_correction, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(row_correction, "OWN_SECONDS", 0.2)
    monkeypatch.setattr(runner, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.1)
    upload = await process(FILE)
    async with tcp_proxy(amqp_url) as proxy:
        away = type(settings.amqp_url)(proxy.url)
        # Without the other API, which would send it.
        async with running_api(
            settings.model_copy(update={"amqp_url": away, "announce_timeout_seconds": 0.1})
        ) as cut_off:
            await database.execute("UPDATE uploads SET filename = filename")
            proxy.cut()
            answer = await cut_off.patch(address(upload, 3), json={"cells": {"email": "cy@example.com"}})
            assert answer.status_code in (200, 202)
            where = answer.headers["Location"]
            await proxy.open()

    async def has_ended() -> bool:
        return (await api.get(where)).json()["finishedAt"] is not None

    await eventually(has_ended)
    assert (await api.get(where)).json()["inserted"] == 1
    rows = (await api.get(f"{where}/rows?outcome=inserted")).json()
    assert rows["data"] == [{"rowNumber": 3, "attempt": 1, "outcome": "inserted"}]
    assert await code_of(await api.delete(where), 409) == "already_finished"
