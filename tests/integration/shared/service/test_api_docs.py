"""The pages that describe a service load nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest
from fastapi import FastAPI

from api_service.app import create_app as create_api
from consumer_service.app import create_app as create_consumer
from producer_service.app import create_app as create_producer

SERVICE = "http://127.0.0.1"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing connects before the application starts, and a description needs no start."""
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", "postgresql://nobody@localhost/nothing")
    monkeypatch.setenv("ROLLCALL_AMQP_URL", "amqp://localhost/")
    monkeypatch.setenv("ROLLCALL_UPLOAD_STORE_URL", tmp_path.as_uri())


def client_of(app: FastAPI, root_path: str = "") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, root_path=root_path)
    return httpx2.AsyncClient(transport=transport, base_url=SERVICE)


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
@pytest.mark.parametrize("create_app", [create_api, create_producer])
async def test_all_that_a_page_names_is_here(create_app: Callable[[], FastAPI], page: str) -> None:
    async with client_of(create_app()) as client:
        answer = await client.get(page)
        assert answer.status_code == 200
        named = re.findall(r"""(?:src|href|spec-url|url)\s*[=:]\s*["']([^"']+)["']""", answer.text)
        assert len(named) >= 3
        for address in named:
            absolute = urljoin(f"{SERVICE}{page}", address)
            assert absolute.startswith(f"{SERVICE}/"), address
            assert (await client.get(absolute)).status_code == 200, address


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_a_browser_may_load_nothing_from_elsewhere(page: str) -> None:
    async with client_of(create_api()) as client:
        policy = (await client.get(page)).headers["Content-Security-Policy"]
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert directives["default-src"] == "'none'"
    allowed = {source for sources in directives.values() for source in sources.split()}
    assert allowed <= {"'none'", "'self'", "'unsafe-inline'", "data:", "blob:"}


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_behind_a_prefix_everything_is_asked_for_with_it(page: str) -> None:
    async with client_of(create_api(), root_path="/rollcall") as client:
        text = (await client.get(f"/rollcall{page}")).text
    named = re.findall(r"""(?:src|href|spec-url|url)\s*[=:]\s*["']([^"']+)["']""", text)
    assert named
    assert [address for address in named if not address.startswith("/rollcall/")] == []


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_a_consumer_has_no_such_pages(page: str) -> None:
    async with client_of(create_consumer()) as client:
        assert (await client.get(page)).status_code == 404
