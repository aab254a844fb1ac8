"""Nobody's keys fill the store: what they have stored is bounded by their name, exactly, in all replicas."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.support.keys import bearer, guarded_api, make_key
from tests.support.queues import assert_problem
from tests.support.uploads import HEADER, UPLOAD

CONTENT = HEADER + b"Ada Holm,Fjord AS,+47 22 55 01 01,ada@fjord.example\n"


async def sent(
    api: httpx2.AsyncClient, key: dict[str, str], content: bytes = CONTENT, *, once: str | None = None
) -> httpx2.Response:
    headers = key if once is None else {**key, "Idempotency-Key": once}
    return await api.post(UPLOAD, files={"employee_data": ("staff.csv", content)}, headers=headers)


def limited(settings: ApiSettings, **limits: int) -> ApiSettings:
    return settings.model_copy(update=limits)


async def test_files_at_once_in_two_replicas_are_accepted_up_to_the_limit_and_no_further(
    settings: ApiSettings, database: asyncpg.Connection
) -> None:
    first = bearer(await make_key(settings, "upload", name="payroll"))
    second = bearer(await make_key(settings, "upload", name="payroll"))
    other = bearer(await make_key(settings, "upload", name="sales"))
    small = limited(settings, key_stored_bytes=3 * len(CONTENT) + 1)
    async with guarded_api(small) as one, guarded_api(small) as two:
        answers = await asyncio.gather(*(sent(api, key) for api in (one, two) for key in (first, second) for _ in "ab"))
        assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 5
        assert await database.fetchval("SELECT sum(byte_count) FROM uploads") == 3 * len(CONTENT)

        refused = await sent(one, first)
        assert_problem(refused, 429, "too_much_stored")
        assert int(refused.headers["Retry-After"]) >= 60
        assert refused.headers["RateLimit-Policy"] == f'"stored-bytes";q={3 * len(CONTENT) + 1}'
        assert (await sent(two, other)).status_code == 202

        # Of what was refused nothing is stored.
        kept = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        assert await database.fetchval("SELECT count(*) FROM uploads WHERE uploaded_by = 'payroll'") == len(kept)


async def test_what_is_deleted_makes_room_again(settings: ApiSettings, database: asyncpg.Connection) -> None:
    key = bearer(await make_key(settings, "upload", name="payroll"))
    async with guarded_api(limited(settings, key_stored_bytes=len(CONTENT))) as api:
        upload = (await sent(api, key)).json()["id"]
        # Before a byte of the second is read: it could not fit, however small.
        assert_problem(await sent(api, key, b"x"), 429, "too_much_stored")
        await database.execute("UPDATE uploads SET file_deleted_at = now() WHERE id = $1", upload)
        assert (await sent(api, key)).status_code == 202
        assert_problem(await sent(api, key), 429, "too_much_stored")


async def test_repetition_of_what_was_accepted_is_answered_whatever_is_stored(settings: ApiSettings) -> None:
    key = bearer(await make_key(settings, "upload", name="payroll"))
    async with guarded_api(limited(settings, key_stored_bytes=len(CONTENT))) as api:
        first, again = [await sent(api, key, once="november") for _ in range(2)]
        assert (first.status_code, again.status_code) == (202, 200)
        assert first.json()["id"] == again.json()["id"]
        assert_problem(await sent(api, key, once="december"), 429, "too_much_stored")


@pytest.mark.parametrize(("rows", "status"), [(9, 202), (10, 429)])
async def test_rows_that_were_read_end_the_uploads_after_them(
    settings: ApiSettings, database: asyncpg.Connection, rows: int, status: int
) -> None:
    key = bearer(await make_key(settings, "upload", name="payroll"))
    async with guarded_api(limited(settings, key_stored_rows=10)) as api:
        upload = (await sent(api, key)).json()["id"]
        await database.execute(
            "UPDATE uploads SET rows_read = $2, status = 'succeeded', finished_at = now() WHERE id = $1", upload, rows
        )
        answer = await sent(api, key)
        assert answer.status_code == status
        if status == 429:
            assert_problem(answer, 429, "too_much_stored")
            assert answer.headers["RateLimit-Policy"] == '"stored-rows";q=10'
            # Until the file's thirty days are over.
            assert 29 * 86_400 < int(answer.headers["Retry-After"]) <= 30 * 86_400
