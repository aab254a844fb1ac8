"""Refused rows are corrected in the grid until none is left."""

from __future__ import annotations

import re

import asyncpg
from playwright.async_api import Page, expect

from tests.support.browsing import drop_file, finished_upload
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.services import Services
from tests.support.uploads import HEADER

SECONDS = 30_000 * patience()
TWO_NUMBERS = [b"Bob Ek %d,Fjord AS,555 0103 / 555 0104,bob%d@fjord.example\n" % (at, at) for at in range(297)]
NO_EMAILS = b"".join(b"Ada Holm %d,Fjord AS,+47 22 55 01 01,nothing\n" % at for at in range(3))


async def test_rejects_are_corrected_by_key_paste_and_replacement(
    services: Services, page: Page, database_url: str
) -> None:
    await services.start_all(consumers=1)
    async with plain_client(services.api_url) as api:
        rows = b"".join((*TWO_NUMBERS[:12], NO_EMAILS, *TWO_NUMBERS[12:]))
        upload = await finished_upload(api, HEADER + rows)
    await page.goto(f"{upload}/rejects")
    send = page.locator("[data-send]")
    await expect(page.get_by_role("heading", name="300 refused rows")).to_be_visible()
    await expect(send).to_be_disabled()

    # The first fault by hand, and Enter to the second, which stays wrong.
    first = page.get_by_label("mobile_no of row 1", exact=True)
    await first.fill("+47 22 55 01 01")
    await first.press("Enter")
    second = page.get_by_label("mobile_no of row 2", exact=True)
    await expect(second).to_be_focused()
    await second.fill("still nothing")
    # The emails as they were copied from a spreadsheet.
    await page.get_by_label("email of row 13", exact=True).evaluate(
        """input => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", "ada1@fjord.example\\nada2@fjord.example\\nada3@fjord.example\\n");
            input.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}));
        }"""
    )
    await expect(send).to_have_text("Send 5 corrected rows")
    await send.click()
    await expect(page.get_by_text("4 of 5 corrected rows are in.")).to_be_visible(timeout=SECONDS)
    await expect(page.locator("tr[data-row='2'] td.fault .why")).to_contain_text("mobile_no")
    await expect(page.locator("tr[data-row='13'] [data-result]")).to_contain_text("inserted")

    # All that a page shows at once.
    for left in (96, 100):
        await page.get_by_text("Change many cells at once").click()
        await page.locator("[data-bulk-column]").select_option(label="mobile_no")
        await page.locator("[data-bulk-replace]").fill("+47 22 55 01 02")
        await page.locator("[data-bulk-apply]").click()
        await expect(send).to_have_text(f"Send {left} corrected rows")
        await send.click()
        # Its script runs when all is there, and not before.
        async with page.expect_event("load", timeout=3 * SECONDS):
            await page.get_by_role("link", name="Show what is left").click(timeout=2 * SECONDS)
    # The rest in a spreadsheet: the report is mended, and dropped back.
    async with plain_client(services.api_url) as api:
        report = (await api.get(f"/v1{upload}/rejects.csv")).raise_for_status().content
    await drop_file(page, "mended.csv", report.replace(b"555 0103 / 555 0104", b"+47 22 55 01 03"))
    await expect(page.get_by_role("heading", name="Corrections are in")).to_be_visible(timeout=SECONDS)
    await page.get_by_role("link", name="0 rows are still refused").click()
    await expect(page.get_by_text("No row of this upload is refused any more.")).to_be_visible()
    database = await asyncpg.connect(database_url)
    assert await database.fetchval("SELECT count(*) FROM employees") == 300
    await database.close()
    await page.goto(upload)
    await expect(page.locator(".state")).to_have_text(re.compile("succeeded"))


async def test_a_corrected_report_is_dropped_back(services: Services, page: Page) -> None:
    await services.start_all(consumers=1)
    async with plain_client(services.api_url) as api:
        upload = await finished_upload(api, HEADER + NO_EMAILS)
        report = (await api.get(f"/v1{upload}/rejects.csv")).text
    await page.goto(f"{upload}/rejects")
    await page.get_by_text("Correct them in a spreadsheet").click()
    corrected = report.replace(
        "Holm 0,Fjord AS,+47 22 55 01 01,nothing", "Holm 0,Fjord AS,+47 22 55 01 01,a@fjord.example"
    )
    await page.set_input_files(
        "#corrected", {"name": "mended.csv", "mimeType": "text/csv", "buffer": corrected.encode()}
    )
    await page.get_by_role("button", name="Send it").click()
    await expect(page.get_by_role("heading", name="Corrections are in")).to_be_visible(timeout=SECONDS)
    await expect(page.locator("dl")).to_contain_text("inserted")
    await expect(page.get_by_role("link", name="2 rows are still refused")).to_be_visible()
