"""Fixtures for tests that look through a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.support.browsing import PAGE_MILLISECONDS, open_page
from tests.support.services import Backends, Services
from tools.ci import axe


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program. Elsewhere than in CI, which installs it, its tests are left out where there is none."""
    program = shutil.which("chromium")
    if program is None:
        message = "needs the program chromium: Debian has it as a package of this name"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return program


@pytest.fixture(scope="session")
def axe_script() -> str:
    """The checker of accessibility, which only npm has."""
    script = axe.install()
    if script is None:
        pytest.skip("needs axe-core, which npm fetches: `python -m tools.ci.axe` says what is missing")
    return script.read_text()


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    # What is expected has a time of its own, five seconds, whatever the pages are given.
    expect.set_options(timeout=PAGE_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"], timeout=PAGE_MILLISECONDS
        )
        yield browser
        await browser.close()


@pytest.fixture
async def services(database_url: str, amqp_url: str, upload_store_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    """None is started yet; all are killed in the end."""
    backends = Backends(database_url, amqp_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", {"ROLLCALL_API_CHUNK_ROWS": "100"}, warm=True) as services:
        yield services


@pytest.fixture
async def page(browser: Browser, services: Services) -> AsyncIterator[Page]:
    """Of a browser that can reach nothing else; what its console complains about fails the test."""
    async with open_page(browser, services.api_url) as page:
        yield page
