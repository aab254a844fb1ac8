"""No parameter, body or cursor is answered with a 500, whatever it holds: each is taken or refused with a reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

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
