"""Dead letters chosen by when they died, and one by one."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.integration.api_service.dead_letters.conftest import ConsumerOf, listed
from tests.support.dead_letters import LONG_AGO, DeadLetters
from tests.support.jobs import LETTERS, REDRIVE, delete, redrive

GONE = f"{uuid.uuid4()}:1:1"


def after(seconds: int) -> str:
    """When the letter died that was put there as so maniest."""
    return (LONG_AGO + timedelta(seconds=seconds)).isoformat()


@pytest.fixture
async def five(letters: DeadLetters, upload_id: uuid.UUID) -> list[str]:
    """Rows 1, 2, a malformed message, rows 3, 4."""
    first = await letters.add_rows(upload_id, [1, 2])
    malformed = await letters.add_malformed()
    return [*first, malformed, *await letters.add_rows(upload_id, [3, 4])]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ({"deadFrom": after(3)}, [2, 3, 4]),
        ({"deadBefore": after(3)}, [0, 1]),
        ({"deadFrom": after(2), "deadBefore": after(5)}, [1, 2, 3]),
        ({"deadFrom": after(2), "code": "invalid_email"}, [1, 3, 4]),
        ({"deadFrom": after(6)}, []),
        ({"deadFrom": "2026-01-01T02:00:03+02:00"}, [2, 3, 4]),
    ],
)
async def test_letters_of_a_time_are_listed_and_counted(
    api: httpx2.AsyncClient, five: list[str], query: dict[str, str], places: list[int]
) -> None:
    body = (await api.get(LETTERS, params=query)).json()
    assert [letter["messageId"] for letter in body["data"]] == [five[place] for place in places]
    assert body["totalData"] == len(places)


async def test_letters_of_a_time_are_deleted_and_the_others_stay(api: httpx2.AsyncClient, five: list[str]) -> None:
    job = await delete(api, deadFrom=after(2), deadBefore=after(4))
    assert (job["total"], job["done"]) == (2, 2)
    assert (job["deadFrom"], job["deadBefore"]) == (after(2).replace("+00:00", "Z"), after(4).replace("+00:00", "Z"))
    assert await listed(api) == [five[0], *five[3:]]


async def test_letters_of_a_time_are_tried_again_and_the_others_stay(
    api: httpx2.AsyncClient, five: list[str], letters: DeadLetters, consumer: ConsumerOf, upload_id: uuid.UUID
) -> None:
    async with consumer():
        job = await redrive(api, deadFrom=after(2), deadBefore=after(5), limit=1)
    assert (job["total"], job["done"], job["left"]) == (1, 1, 1)
    # What failed again has died today.
    assert await listed(api) == [five[0], *five[2:], f"{upload_id}:2:2"]


async def test_named_letters_are_deleted_and_the_others_stay(api: httpx2.AsyncClient, five: list[str]) -> None:
    chosen = [five[3], five[2], GONE, five[0], five[0].removesuffix(":1") + ":2"]
    job = await delete(api, messageIds=chosen)
    assert (job["total"], job["done"], job["messageIds"]) == (3, 3, chosen)
    assert await listed(api) == [five[1], five[4]]


async def test_named_rows_are_tried_again_and_the_others_stay(
    api: httpx2.AsyncClient, five: list[str], consumer: ConsumerOf, upload_id: uuid.UUID
) -> None:
    async with consumer():
        job = await redrive(api, messageIds=[five[4], five[1], GONE])
    assert (job["state"], job["total"], job["done"]) == ("succeeded", 2, 2)
    assert await listed(api) == [five[0], five[2], five[3], *(f"{upload_id}:{row}:2" for row in (2, 4))]


async def test_malformed_message_is_no_row_to_try_again(api: httpx2.AsyncClient, five: list[str]) -> None:
    answer = await api.post(REDRIVE, json={"messageIds": five})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "malformed message" in answer.text
    assert await listed(api) == five


@pytest.mark.parametrize(
    "order",
    [
        {"messageIds": []},
        {"messageIds": ["6f2c6f4e"]},
        {"messageIds": [f"{GONE}\n"]},
        {"messageIds": [GONE] * 1001},
        {"messageIds": [GONE], "code": "invalid_email"},
        {"messageIds": [GONE], "deadFrom": after(1)},
        {"messageIds": [GONE], "all": True},
        {"deadFrom": after(1), "all": True},
        {"deadFrom": "2026-01-01T00:00:00"},
        {"deadFrom": "yesterday"},
        {"deadFrom": "0001-01-01T00:00:00+14:00"},
        {"deadBefore": "9999-12-31T23:59:59-14:00"},
    ],
)
async def test_order_that_is_not_understood_is_refused(api: httpx2.AsyncClient, order: dict[str, Any]) -> None:
    for method, path in (("POST", REDRIVE), ("DELETE", LETTERS)):
        answer = await api.request(method, path, json=order)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), order


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00", "yesterday", "0001-01-01T00:00:00+14:00", "9" * 30, ""])
async def test_time_that_no_letter_can_have_died_at_is_refused(api: httpx2.AsyncClient, time: str) -> None:
    for name in ("deadFrom", "deadBefore"):
        answer = await api.get(LETTERS, params={name: time})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
