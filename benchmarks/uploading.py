"""An upload from the first byte of its POST to its final state, by a client that costs next to nothing."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from shared.upload_status import FINAL_STATES

FINISH_SECONDS: Final = 1800
POLL_SECONDS: Final = 0.05
_BOUNDARY: Final = "rollcall-benchmark"
_HEAD: Final = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="employee_data"; filename="employees.csv"\r\n'
    "Content-Type: text/csv\r\n\r\n"
).encode()
_TAIL: Final = f"\r\n--{_BOUNDARY}--\r\n".encode()

Json = dict[str, Any]


async def upload_seconds(api_url: str, file: Path, rows: int) -> float:
    """Raises AssertionError when a row is not accounted for."""
    begin = time.perf_counter()
    upload = await until_finished(api_url, await post(api_url, file))
    seconds = time.perf_counter() - begin
    assert upload["inserted"] + upload["rejected"] == rows, upload
    return seconds


async def post(api_url: str, file: Path, **fields: str) -> str:
    """The id of the upload, which was answered 202."""
    upload: Json = await asyncio.to_thread(_post, api_url, file, fields)
    return str(upload["id"])


async def until_finished(api_url: str, upload_id: str) -> Json:
    return await until_in(api_url, upload_id, FINAL_STATES)


async def until_in(api_url: str, upload_id: str, states: Collection[str]) -> Json:
    deadline = time.monotonic() + FINISH_SECONDS
    while time.monotonic() < deadline:
        upload = await asyncio.to_thread(get_json, api_url, f"/v1/uploads/{upload_id}")
        if upload["status"] in states:
            return upload
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"not finished after {FINISH_SECONDS} s")


def get_json(base_url: str, path: str) -> Json:
    connection = _connect(base_url)
    connection.request("GET", path)
    return _answer(connection, 200)


def send_json(base_url: str, method: str, path: str, body: Json | None) -> Json:
    """The answer, which was a 202."""
    connection = _connect(base_url)
    if body is None:
        connection.request(method, path)
    else:
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
    return _answer(connection, 202)


def _post(api_url: str, file: Path, fields: Mapping[str, str]) -> Json:
    form = "".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head = form.encode() + _HEAD
    connection = _connect(api_url)
    connection.putrequest("POST", "/v1/employee-data-upload")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + file.stat().st_size + len(_TAIL)))
    connection.endheaders(head)
    with file.open("rb") as content:
        connection.sock.sendfile(content)
    connection.send(_TAIL)
    return _answer(connection, 202)


def _connect(base_url: str) -> http.client.HTTPConnection:
    address = urlsplit(base_url)
    assert address.hostname is not None
    return http.client.HTTPConnection(address.hostname, address.port, timeout=FINISH_SECONDS)


def _answer(connection: http.client.HTTPConnection, status: int) -> Json:
    try:
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status, body
        document: Json = json.loads(body)
        return document
    finally:
        connection.close()
