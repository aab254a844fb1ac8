"""Who opens a page signs in with a key, sees what it may, and is out when it is revoked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx2
import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.api import api_settings
from tests.support.browsing import PAGE_MILLISECONDS, accessibility_findings, finished_upload, open_page
from tests.support.keys import bearer, make_key
from tests.support.plain_http import plain_client
from tests.support.services import Backends, Services
from tests.support.uploads import HEADER, SMALL_CSV


@pytest.fixture
async def services(database_url: str, amqp_url: str, upload_store_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    """That ask for keys."""
    backends = Backends(database_url, amqp_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", {"ROLLCALL_AUTHENTICATION": "on"}, warm=True) as services:
        yield services


@pytest.fixture
async def admin(services: Services, database_url: str, amqp_url: str, upload_store_url: str) -> str:
    """The first key, as the command makes it."""
    return await make_key(api_settings(database_url, amqp_url, upload_store_url), "admin", name="boss")


@pytest.fixture
async def api(services: Services, admin: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A program that may all."""
    await services.start_all(consumers=1)
    async with plain_client(services.api_url, headers=bearer(admin)) as client:
        yield client


async def sign_in(page: Page, key: str) -> None:
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()


async def test_an_admin_signs_in_makes_a_key_that_reads_and_ends_its_session(
    api: httpx2.AsyncClient, services: Services, browser: Browser, page: Page, admin: str, axe_script: str
) -> None:
    upload = await finished_upload(api, SMALL_CSV + b"no,email,+15550001111,here\n")
    await page.goto("/keys")
    assert await accessibility_findings(page, axe_script) == []
    await sign_in(page, admin[:-1])
    await expect(page.get_by_role("alert")).to_contain_text("cut off or mistyped")
    await sign_in(page, admin)
    # Back at the page that was asked for.
    await expect(page.get_by_role("heading", name="Make a key")).to_be_visible()
    await page.get_by_label("Name").fill("visitor")
    await page.get_by_label("read:").check()
    await page.get_by_role("button", name="Make it").click()
    visitors = await page.locator("[data-key]").inner_text()
    assert await accessibility_findings(page, axe_script) == []

    async with open_page(browser, services.api_url) as other:
        await other.goto("/")
        await sign_in(other, visitors)
        await expect(other.get_by_role("link", name="Employees", exact=True)).to_be_visible()
        # It sees, and is offered nothing that it may not.
        await expect(other.get_by_label("A file of employees")).to_have_count(0)
        for address, offered in (
            (upload, "Undo this upload"),
            (f"{upload}/rejects", "Send it"),
            ("/employees/1", "Delete"),
        ):
            await other.goto(address)
            await expect(other.get_by_role("heading", level=1)).to_be_visible()
            await expect(other.get_by_role("button", name=offered)).to_have_count(0)
            await page.goto(address)
            await expect(page.get_by_role("button", name=offered, include_hidden=True).first).to_be_attached()
        for hidden in ("Keys", "Audit", "Queues"):
            await expect(other.get_by_role("link", name=hidden, exact=True)).to_have_count(0)
        # And what it tries all the same is refused.
        refused = await other.evaluate("fetch('/v1/employees/1', {method: 'DELETE'}).then(answer => answer.status)")
        assert refused == 403

        await page.goto("/keys")
        await page.get_by_role("row", name="visitor").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_role("row", name="visitor")).to_contain_text("revoked")
        await other.goto("/employees")
        await expect(other.get_by_role("heading", name="Sign in")).to_be_visible()

    await page.goto("/audit")
    await expect(page.get_by_role("table")).to_contain_text("key.revoke")
    assert await accessibility_findings(page, axe_script) == []
    await page.get_by_role("button", name="Sign out").click()
    await page.goto("/employees")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@contextlib.contextmanager
def page_elsewhere(api_url: str) -> Iterator[int]:
    """Its port. Its forms and images go to us, and one of its scripts asks us, when they are loaded."""
    html = f"""<!doctype html><title>Elsewhere</title>
    <img src="{api_url}/message/next"><img src="{api_url}/v1/consumer?cid=1">
    <form id="plain" method="post" enctype="text/plain" action="{api_url}/message/new" target="one">
    <input name='{{"payload": "' value='"}}'></form>
    <form id="sends" method="post" enctype="multipart/form-data" action="{api_url}/uploads" target="two">
    <input name="start" value="now"></form>
    <form id="deletes" method="post" action="{api_url}/employees/1/delete" target="three"></form>
    <iframe name="one"></iframe><iframe name="two"></iframe><iframe name="three"></iframe>
    <script>for (const form of document.forms) form.submit();
    fetch("{api_url}/v1/employees", {{credentials: "include"}}).then(answer => answer.text()).then(
      text => document.title = text, () => document.title = "read nothing");</script>"""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_page_of_another_site_achieves_nothing(
    api: httpx2.AsyncClient, services: Services, browser: Browser, admin: str, host: str
) -> None:
    """Even one on another port of this machine, to which the browser does send the cookie."""
    await finished_upload(api, HEADER + b"Asha Rao,Initech,+91 98765 43210,asha@example.com\n")
    await api.post("/v1/queues/default/messages", json={"payload": 1})
    context = await browser.new_context(base_url=services.api_url)
    context.set_default_timeout(PAGE_MILLISECONDS)
    page = await context.new_page()
    await page.goto("/sign-in")
    await sign_in(page, admin)
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    with page_elsewhere(services.api_url) as port:
        async with page.expect_event("load"):
            await page.goto(f"http://{host}:{port}/")
        await expect(page).to_have_title("read nothing")
        await page.wait_for_load_state("networkidle")
    counts = (await api.get("/v1/queues/default")).json()
    assert (counts["visible"], counts["inFlight"]) == (1, 0)
    assert (await api.get("/v1/employees")).json()["totalData"] == 1
    assert (await api.get("/v1/uploads")).json()["totalData"] == 1
    done = [entry["action"] for entry in (await api.get("/v1/audit")).json()["data"]]
    assert set(done) == {"sign-in", "upload.create"}
    await context.close()
