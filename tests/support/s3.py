"""An S3 in this process, and two that only fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from moto.server import ThreadedMotoServer

from tests.support.patience import patience

BUCKET = "rollcall-tests"


@contextlib.contextmanager
def running_s3() -> Iterator[str]:
    """The endpoint of an S3 that has the bucket `BUCKET`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # The first request makes the server load what it needs.
    httpx2.put(f"http://{host}:{port}/{BUCKET}", timeout=60 * patience()).raise_for_status()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def full_s3() -> contextlib.AbstractAsyncContextManager[str]:
    """The endpoint of an S3 that answers everything as MinIO does when its disks are full."""
    return _failing_s3("507 Insufficient Storage", "XMinioStorageFull")


def refusing_s3() -> contextlib.AbstractAsyncContextManager[str]:
    """The endpoint of an S3 that knows no key."""
    return _failing_s3("403 Forbidden", "InvalidAccessKeyId")


@contextlib.asynccontextmanager
async def _failing_s3(status: str, code: str) -> AsyncIterator[str]:
    body = f"<Error><Code>{code}</Code></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def s3_environment(endpoint: str) -> dict[str, str]:
    """The variables that an operator sets for a store on S3: endpoint and credentials."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def use_s3(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Give stores that are made from now on in this process that environment."""
    for name, value in s3_environment(endpoint).items():
        monkeypatch.setenv(name, value)
