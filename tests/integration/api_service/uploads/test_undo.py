"""Who may undo an upload, when, and what a deletion takes away with it."""

from __future__ import annotations

import uuid

import asyncpg
import httpx2
import pytest

from tests.support.uploads import insert_upload

FINISHED = ["succeeded", "partially_succeeded", "failed", "cancelled"]


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def finished(database: asyncpg.Connection, status: str = "succeeded", **columns: object) -> uuid.UUID:
    upload_id = await insert_upload(database, status=status, **columns)
    await database.execute("UPDATE uploads SET finished_at = now() WHERE id = $1", upload_id)
    return upload_id


async def test_finished_upload_is_left_to_the_producer_to_undo_however_often_it_is_asked(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    for status in FINISHED:
        upload_id = await finished(database, status)
        assert (await api.get(f"/v1/uploads/{upload_id}")).json()["undoable"]
        answer = await api.post(f"/v1/uploads/{upload_id}/undo")
        assert answer.status_code == 202
        upload = answer.json()
        assert (upload["status"], upload["undoable"], upload["revision"]) == ("undoing", False, 2)
        again = await api.post(f"/v1/uploads/{upload_id}/undo")
        assert (again.status_code, again.json()) == (202, upload)
        assert problem(await api.post(f"/v1/uploads/{upload_id}/cancel")) == (409, "already_finished")
        assert problem(await api.delete(f"/v1/uploads/{upload_id}")) == (409, "not_finished")
    assert (await api.get("/v1/uploads?status=undoing")).json()["totalData"] == len(FINISHED)
    status = (await api.get("/v1/status")).json()
    assert status["uploads"]["undoing"] == len(FINISHED)
    assert status["oldestUnfinishedUploadSeconds"] > 0


async def test_what_cannot_be_undone_is_refused_with_a_reason(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    for status in ("queued", "running", "cancelling"):
        upload_id = await insert_upload(database, status=status)
        assert problem(await api.post(f"/v1/uploads/{upload_id}/undo")) == (409, "not_finished")
    upload_id = await finished(database, "undone")
    assert problem(await api.post(f"/v1/uploads/{upload_id}/undo")) == (409, "already_undone")
    upload_id = await finished(database)
    await database.execute("UPDATE uploads SET undo_expired_at = now() WHERE id = $1", upload_id)
    assert problem(await api.post(f"/v1/uploads/{upload_id}/undo")) == (409, "undo_expired")
    assert not (await api.get(f"/v1/uploads/{upload_id}")).json()["undoable"]
    assert problem(await api.post(f"/v1/uploads/{uuid.uuid4()}/undo")) == (404, "unknown_upload")
    assert problem(await api.get(f"/v1/uploads/{uuid.uuid4()}/rows?outcome=kept")) == (404, "unknown_upload")


async def test_kept_rows_are_listed_in_file_order_with_who_changed_them(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload_id = await finished(database, "undone", kept=3)
    changer = await finished(database)
    sequence = await database.fetchval("SELECT sequence FROM uploads WHERE id = $1", changer)
    await database.executemany(
        "INSERT INTO kept_rows VALUES ($1, $2, $3, $4)",
        [(upload_id, 9, 4711, sequence), (upload_id, 2, 4712, sequence), (upload_id, 5, 4713, 999_999)],
    )

    listed = (await api.get(f"/v1/uploads/{upload_id}/rows?outcome=kept&limit=2")).json()
    rest = (await api.get(f"/v1/uploads/{upload_id}/rows?outcome=kept&limit=2&cursor={listed['nextCursor']}")).json()

    assert listed["totalData"] == 3
    assert [*listed["data"], *rest["data"]] == [
        {"outcome": "kept", "rowNumber": 2, "employeeId": 4712, "changedBy": str(changer)},
        {"outcome": "kept", "rowNumber": 5, "employeeId": 4713, "changedBy": None},
        {"outcome": "kept", "rowNumber": 9, "employeeId": 4711, "changedBy": str(changer)},
    ]
    mixed = await api.get(f"/v1/uploads/{upload_id}/rows?outcome=kept,inserted")
    assert problem(mixed) == (422, "invalid_request")


@pytest.mark.parametrize("confirm", ["", "?confirm=employees-stay"])
async def test_deletion_of_what_can_still_be_undone_says_what_it_takes_away_and_wants_to_be_meant(
    confirm: str, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    """With it goes what it replaced, but not who replaced whom while somebody can still ask."""
    before = await finished(database, inserted=2)
    upload_id = await finished(database, inserted=3, updated=2)
    sequences = [
        await database.fetchval("SELECT sequence FROM uploads WHERE id = $1", each) for each in (before, upload_id)
    ]
    for employee, replaced in ((1, sequences[0]), (2, 0)):
        await database.execute(
            "INSERT INTO replaced_employees VALUES ($1, $2, $3, 7, '{}')", sequences[1], employee, replaced
        )

    answer = await api.delete(f"/v1/uploads/{upload_id}{confirm}")

    left = await database.fetch("SELECT employee_id, employee FROM replaced_employees ORDER BY employee_id")
    if not confirm:
        assert problem(answer) == (409, "confirmation_needed")
        assert all(word in answer.json()["detail"] for word in ("file", "rejects", "undo", "3", "2", "employees-stay"))
        assert len(left) == 2
        return
    assert answer.status_code == 204
    assert [tuple(each) for each in left] == [(1, None)]
    assert (await api.get(f"/v1/uploads/{upload_id}")).status_code == 404


async def test_deletion_of_what_has_nothing_to_undo_needs_no_confirmation(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    expired = await finished(database, inserted=3)
    await database.execute("UPDATE uploads SET undo_expired_at = now() WHERE id = $1", expired)
    for upload_id in (await finished(database), await finished(database, "undone", inserted=3), expired):
        assert (await api.delete(f"/v1/uploads/{upload_id}")).status_code == 204
