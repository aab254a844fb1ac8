"""No parameter, body or cursor is answered with a 500, whatever it holds: each is taken or refused with a reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx2
import pytest

from api_service.app import create_app
from api_service.settings import ApiSettings
from tests.support.addresses import PATH_VALUES
from tests.support.uploads import send

# As they stand in an address: NUL, half of a surrogate pair, what is no UTF-8, line ends, numbers beyond every type.
HOSTILE = [
    "%00", "a%00b", "%ED%A0%80", "%FF%FE", "a%0A", "%0D%0A", "%25", "%5C", "'", "%22", "..", "%2E%2E%2F",
    "%F0%9F%98%80", "-1", "0", "9223372036854775807", "9223372036854775808", "9" * 400, "1e400", "NaN", "true", "null",
    "[]", "%7B%7D",
    "x" * 5_000,
]  # fmt: skip
HOSTILE_JSON = [
    b"", b"null", b"[]", b"{", b'"', b"\xff", b"\x00", b"[" * 10_000, b"9" * 5_000, b'{"a":1e999}',
    b'{"messages":[null]}',
    b'{"payload":"\\ud800"}', b'{"uploadId":"\\u0000"}', b'{"code":"\\ud800"}', b'{"limit":9223372036854775808}',
    b'{"consumerId":"a\\u0000","limit":1}', b'{"consumerId":"\\ud800"}', b'{"receipts":["\\u0000","a\\n"]}',
    b'{"maxReceives":1e30}', b'{"visibilityTimeoutSeconds":-1}', b'{"visibilityTimeoutSeconds":NaN}',
]  # fmt: skip


# Before and after all that Postgres and a calendar have, and with no zone.
TIMES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-27T00:00:00"]


def times_taken(document: dict[str, Any]) -> Iterator[str]:
    """The names of all times that a request can hold."""
    asked = [operation for operations in document["paths"].values() for operation in operations.values()]
    for operation in asked:
        for parameter in operation.get("parameters", ()):
            if _is_time(parameter["schema"]):
                yield parameter["name"]
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield from _times_of(content["schema"], document)


def _is_time(schema: dict[str, Any]) -> bool:
    return any(each.get("format") == "date-time" for each in (schema, *schema.get("anyOf", ())))


def _times_of(schema: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        if _is_time(field):
            yield name
    if "$ref" in schema:
        yield from _times_of(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    inner = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("properties", {}).values()]
    for each in [*inner, *([schema["items"]] if "items" in schema else [])]:
        yield from _times_of(each, document)


def requests(document: dict[str, Any]) -> Iterator[tuple[str, str, bytes | None]]:
    """Each operation with each hostile value in the place of each of its parameters, and each hostile body."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            address = path.format_map(PATH_VALUES)
            for parameter in operation.get("parameters", ()):
                for value in HOSTILE:
                    if parameter["in"] == "query":
                        yield method, f"{address}?{parameter['name']}={value}", None
                    elif parameter["in"] == "path":
                        yield method, path.format_map({**PATH_VALUES, parameter["name"]: value}), None
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                for body in HOSTILE_JSON:
                    yield method, address, body


async def test_no_parameter_and_no_body_is_a_500(api: httpx2.AsyncClient, settings: ApiSettings) -> None:
    failed = []
    asked = 0
    for method, address, body in requests(create_app(settings).openapi()):
        answer = await api.request(method, address, content=body, headers={"Content-Type": "application/json"})
        asked += 1
        if answer.status_code >= 500:
            failed.append((method, address[:120], body and body[:60], answer.status_code))
    assert failed == []
    assert asked > 500


def forged(cursor: str, *key: object) -> str:
    """The cursor of the same list, with another key."""
    digest = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0]
    return base64.urlsafe_b64encode(json.dumps([digest, *key]).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "key", [["\0"], ["a\0b", "a\0b"], ["\ud800"], [2**63], [-1], [None], [[]], [], ["x" * 600], [1] * 9]
)
async def test_no_forged_cursor_is_a_500(api: httpx2.AsyncClient, key: list[object]) -> None:
    for number in range(2):
        await api.put(f"/v1/queues/queue-{number}", json={})
        await send(api)
    for address in ("/v1/queues", "/v1/uploads"):
        cursor = (await api.get(f"{address}?limit=1")).json()["nextCursor"]
        answer = await api.get(f"{address}?limit=1&cursor={quote(forged(cursor, *key))}")
        assert answer.status_code in (200, 422), answer.text


@pytest.mark.parametrize("time", TIMES)
async def test_no_time_is_a_500(api: httpx2.AsyncClient, settings: ApiSettings, time: str) -> None:
    document = create_app(settings).openapi()
    taken = set(times_taken(document))
    assert taken == {"deadFrom", "deadBefore", "deliverAt", "expiresAt"}
    answers = [await api.get("/v1/dead-letters", params={name: time}) for name in ("deadFrom", "deadBefore")]
    for method, address, order in (
        ("POST", "/v1/dead-letters/redrive", {"deadFrom": time}),
        ("DELETE", "/v1/dead-letters", {"deadBefore": time}),
        ("POST", "/v1/queues/jobs/messages", {"payload": 1, "deliverAt": time}),
        ("POST", "/v1/keys", {"name": "payroll", "scopes": ["read"], "expiresAt": time}),
    ):
        answers.append(await api.request(method, address, json=order))
    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []


@pytest.mark.parametrize("time", TIMES)
async def test_no_forged_time_in_a_cursor_is_a_500(
    api: httpx2.AsyncClient, database: asyncpg.Connection, time: str
) -> None:
    await database.execute(
        "INSERT INTO malformed_messages (id, reason, body) SELECT gen_random_uuid(), 'none', 'hello'"
        " FROM generate_series(1, 2)"
    )
    cursor = (await api.get("/v1/dead-letters?limit=1")).json()["nextCursor"]
    for row_number in (0, 2**63 - 1):
        key = quote(forged(cursor, time, "6f2c6f4e-3b55-4c76-9a0d-5a3a9d2f6a10", row_number))
        answer = await api.get(f"/v1/dead-letters?limit=1&cursor={key}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize(
    "mapping",
    [
        '{"email": "\\ud800"}',
        '{"\\ud800": "email"}',
        '{"email": ["\\u0000", "\\udfff"]}',
        "[" * 5_000,
        '{"email": 1e999}',
    ],
)
async def test_no_mapping_is_a_500(api: httpx2.AsyncClient, mapping: str) -> None:
    answer = await send(api, mapping=mapping)
    assert answer.status_code == 422
    assert answer.json()["code"] in ("invalid_mapping", "unknown_column")
