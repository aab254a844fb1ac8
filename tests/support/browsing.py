"""Pages of a real browser, held to what every page has to keep: its policy, no script error, nothing from elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
from playwright.async_api import Browser, ConsoleMessage, Page, Request

from tests.support.patience import patience
from tests.support.uploads import send
from tests.support.waiting import eventually

# For each thing that a page is to show or do.
PAGE_MILLISECONDS: Final = 60_000 * patience()


@contextlib.asynccontextmanager
async def open_page(
    browser: Browser, address: str, *, elsewhere: tuple[str, ...] = (), **options: Any
) -> AsyncIterator[Page]:
    """Nothing is to be asked for at other addresses than these. `options` are those of a browser's context."""
    context = await browser.new_context(base_url=address, locale="en-US", **options)
    context.set_default_timeout(PAGE_MILLISECONDS)
    page = await context.new_page()
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # An answer that is no success is what some tests are about; a broken policy is said as an error of its own.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def see(request: Request) -> None:
        if not request.url.startswith((address, *elsewhere, "data:", "blob:")):
            complaints.append(f"asked for {request.url}")

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", see)
    try:
        yield page
        assert complaints == []
    finally:
        await context.close()


async def drop_file(page: Page, name: str, content: bytes) -> None:
    """As somebody lets it go over the page."""
    dropped = await page.evaluate_handle(
        """([name, content]) => {
            const dropped = new DataTransfer();
            dropped.items.add(new File([content], name));
            return dropped;
        }""",
        [name, content.decode()],
    )
    for event in ("dragover", "drop"):
        await page.dispatch_event("body", event, {"dataTransfer": dropped})


async def accessibility_findings(page: Page, axe_script: str) -> list[str]:
    """What axe-core finds on the page as it is shown now; it comes past the page's policy, which forbids it."""
    await page.evaluate(axe_script)
    results = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{finding['id']}: {node['target']} {node['failureSummary']}"
        for finding in results["violations"]
        for node in finding["nodes"]
    ]


async def finished_upload(api: httpx2.AsyncClient, content: bytes, **given: str) -> str:
    """The address of its page, once all of its rows have become something."""
    address = (await send(api, content, **given)).headers["Location"]

    async def is_finished() -> bool:
        return (await api.get(address)).json()["finishedAt"] is not None

    await eventually(is_finished, seconds=60)
    return address.removeprefix("/v1")
