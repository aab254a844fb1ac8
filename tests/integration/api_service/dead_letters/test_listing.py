"""Dead letters listed: the tables say what there is."""

from __future__ import annotations

import uuid

import httpx2
import pytest

from tests.support.dead_letters import CELLS, MESSAGE, DeadLetters
from tests.support.jobs import LETTERS


async def test_dead_letters_are_listed_oldest_first_with_the_queues_depth(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [2])
    malformed_id = await letters.add_malformed()
    await letters.add_rows(upload_id, [1], code="missing_value", attempt=3)
    body = (await api.get(LETTERS)).json()
    assert (body["depth"], body["totalData"], body["size"]) == (3, 3, 3)
    assert [letter.pop("deadAt") for letter in body["data"]] == [f"2026-01-01T00:00:0{second}Z" for second in (1, 2, 3)]
    for letter in body["data"]:
        assert letter.pop("faults") == [{name: letter[name] for name in ("code", "field", "message")}]
    row = {"uploadId": str(upload_id), "field": "email", "message": MESSAGE, "cells": CELLS}
    nothing = {"uploadId": None, "rowNumber": None, "lineNumber": None, "field": None, "cells": None}
    assert body["data"] == [
        row | {"messageId": f"{upload_id}:2:1", "rowNumber": 2, "lineNumber": 3, "code": "invalid_email"},
        nothing | {"messageId": malformed_id, "code": "malformed_message", "message": "not a request"},
        row | {"messageId": f"{upload_id}:1:3", "rowNumber": 1, "lineNumber": 2, "code": "missing_value"},
    ]


async def test_pages_and_cursors_lead_through_all_dead_letters(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    expected = await letters.add_rows(upload_id, [3, 1])
    expected.append(await letters.add_malformed())
    expected += await letters.add_rows(upload_id, [2, 7, 5])
    by_page = [(await api.get(f"{LETTERS}?limit=2&page={page}")).json() for page in (1, 2, 3, 4)]
    assert [letter["messageId"] for page in by_page for letter in page["data"]] == expected
    page, by_cursor = by_page[0], list(by_page[0]["data"])
    while page["nextCursor"] is not None:
        page = (await api.get(LETTERS, params={"limit": 2, "cursor": page["nextCursor"]})).json()
        by_cursor += page["data"]
    assert [letter["messageId"] for letter in by_cursor] == expected


async def test_a_filter_chooses_what_an_order_with_it_takes(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    emails = await letters.add_rows(upload_id, [1, 2, 3])
    (missing,) = await letters.add_rows(upload_id, [4], code="missing_value")
    malformed = await letters.add_malformed()
    for parameters, expected in (
        ({"code": "invalid_email"}, emails),
        ({"code": "missing_value", "uploadId": str(upload_id)}, [missing]),
        ({"uploadId": str(upload_id)}, [*emails, missing]),
        ({"uploadId": str(uuid.uuid4())}, []),
        ({"code": "malformed_message"}, [malformed]),
    ):
        body = (await api.get(LETTERS, params=parameters)).json()
        assert [letter["messageId"] for letter in body["data"]] == expected
        assert body["totalData"] == len(expected)
    page = (await api.get(LETTERS, params={"code": "invalid_email", "limit": 2})).json()
    rest = (await api.get(LETTERS, params={"code": "invalid_email", "limit": 2, "cursor": page["nextCursor"]})).json()
    assert [letter["messageId"] for letter in page["data"] + rest["data"]] == emails
    assert (await api.get(LETTERS, params={"code": "no_such_code"})).status_code == 422


async def test_a_cursor_of_another_list_is_refused(
    api: httpx2.AsyncClient, letters: DeadLetters, upload_id: uuid.UUID
) -> None:
    await letters.add_rows(upload_id, [1, 2])
    cursor = (await api.get(f"{LETTERS}?limit=1")).json()["nextCursor"]
    answer = await api.get(f"/v1/uploads?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("parameter", ["Code", "upload_id", "Limit", "offset"])
async def test_parameter_that_there_is_not_is_refused(api: httpx2.AsyncClient, parameter: str) -> None:
    answer = await api.get(LETTERS, params={parameter: "1"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [error["location"] for error in answer.json()["errors"]] == [f"query.{parameter}"]
