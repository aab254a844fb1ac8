"""The pages that describe a service, as a browser shows them that can reach nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from api_service.app import create_app as create_api
from producer_service.app import create_app as create_producer
from tests.support.api import served

BROWSER_SECONDS = 120


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", "postgresql://nobody@localhost/nothing")
    monkeypatch.setenv("ROLLCALL_AMQP_URL", "amqp://localhost/")
    monkeypatch.setenv("ROLLCALL_UPLOAD_STORE_URL", tmp_path.as_uri())


async def rendered(chromium: str, address: str, profile: Path) -> str:
    """The document as its scripts have made it, without any host but this one."""
    command = [
        *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
        # The browser's own clock, which runs ahead while nothing is loading.
        "--virtual-time-budget=30000",
        *("--dump-dom", address),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        document, _ = await asyncio.wait_for(process.communicate(), BROWSER_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return document.decode()


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
@pytest.mark.parametrize(
    ("create_app", "summary"),
    [(create_api, "Take a CSV of employees"), (create_producer, "Ask the consumers, and wait for their answers")],
)
async def test_the_operations_are_shown(
    chromium: str, tmp_path: Path, create_app: Callable[[], FastAPI], summary: str, page: str
) -> None:
    async with served(create_app(), lifespan="off") as address:
        # Only the scripts bring an operation's summary into the page.
        assert summary in await rendered(chromium, f"{address}{page}", tmp_path / "profile")
