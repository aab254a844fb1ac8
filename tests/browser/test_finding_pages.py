"""Pages on which something is looked for: employees, and messages of a queue."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.support.browsing import finished_upload
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.services import Services
from tests.support.uploads import HEADER

SECONDS = 30_000 * patience()


async def test_employees_are_found_while_somebody_types_and_the_address_says_what_is_shown(
    services: Services, page: Page
) -> None:
    await services.start_all(consumers=1)
    people = b"".join(b"Ada Holm %d,Fjord AS,+47 22 55 01 01,ada%d@fjord.example\n" % (at, at) for at in range(60))
    async with plain_client(services.api_url) as api:
        upload = await finished_upload(
            api, HEADER + people + b"Zo\xc3\xab <b>,Fjord AS,+47 22 55 01 01,z@fjord.example\n"
        )
    await page.goto("/employees")
    await expect(page.get_by_text("61 people")).to_be_visible()
    await page.get_by_role("link", name="More →").click()
    await expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    # The page's script takes the key, and runs when all is there.
    await page.wait_for_load_state()
    await page.keyboard.press("/")
    # An answer that is no list of employees is asked for as a page, which says what is wrong.
    await page.route("**/employees?*", lambda route: route.fulfill(status=503, body="Not now"), times=1)
    # At once: who goes on to type while the page is asked for types into one that goes away.
    await page.keyboard.insert_text("zoë")
    await expect(page.get_by_text("1 person")).to_be_visible(timeout=SECONDS)
    await expect(page).to_have_url(re.compile("searchTerm=zo%C3%AB"))
    await page.reload()
    await page.get_by_role("link", name="Zoë <b>").click()
    await expect(page.get_by_role("heading", name="Zoë <b>")).to_be_visible()
    await page.get_by_role("link", name="employees.csv").click()
    await expect(page).to_have_url(re.compile(upload))


async def test_dead_letters_are_discarded_as_the_filter_shows_them(services: Services, page: Page) -> None:
    await services.start_all(consumers=1)
    bad_emails = b"".join(b"Ada Holm,Fjord AS,+47 22 55 01 01,nothing%d\n" % at for at in range(3))
    async with plain_client(services.api_url) as api:
        await finished_upload(api, HEADER + bad_emails + b"Bob Ek,Fjord AS,no number,bob@fjord.example\n")
    await page.goto("/dead-letters")
    await expect(page.get_by_text("4 in all")).to_be_visible()
    await page.get_by_label("Reason").select_option("invalid_email")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("tbody tr")).to_have_count(3)
    await page.get_by_role("button", name="Discard 3").click()
    await page.get_by_role("link", name="What is left").click(timeout=SECONDS)
    await expect(page.get_by_text("1 in all")).to_be_visible()
    await expect(page.locator("tbody")).to_contain_text("invalid mobile")


async def test_ticked_dead_letters_are_discarded_and_the_time_stays_chosen_while_one_looks_on(
    services: Services, page: Page
) -> None:
    await services.start_all(consumers=1)
    people = b"".join(b"Ada Holm,Fjord AS,no number,ada%d@fjord.example\n" % at for at in range(52))
    async with plain_client(services.api_url) as api:
        await finished_upload(api, HEADER + people)
    await page.goto("/dead-letters")
    await page.get_by_label("Died").select_option("over 24 hours ago")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.get_by_text("None matches.")).to_be_visible()

    await page.get_by_label("Died").select_option("within the last hour")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.get_by_text("Died since")).to_be_visible()
    await page.get_by_role("link", name="More →").click()
    await expect(page.get_by_text("Died since")).to_be_visible()
    await page.get_by_label("Reason").select_option("invalid_mobile")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.get_by_text("Died since")).to_be_visible()

    for row in ("Row 2", "Row 5"):
        await page.get_by_label(row, exact=True).check()
    await page.get_by_role("button", name="Discard ticked").click()
    await page.get_by_role("link", name="What is left").click(timeout=SECONDS)
    await expect(page.get_by_text("50 in all")).to_be_visible()
    await expect(page.get_by_label("Row 4", exact=True)).to_be_visible()
    for row in ("Row 2", "Row 5"):
        await expect(page.get_by_label(row, exact=True)).to_have_count(0)


async def test_a_message_is_sent_looked_at_and_deleted_by_its_state(services: Services, page: Page) -> None:
    await services.start("api_service")
    await page.goto("/queues")
    await page.get_by_role("link", name="send one").click()
    await page.get_by_label("Payload, as JSON").fill('{"to": "<i>asha</i>"}')
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("code")).to_have_text('{"to":"<i>asha</i>"}')
    await page.get_by_role("link", name="visible 1").click()
    await page.get_by_text("Delete the visible messages").click()
    await page.get_by_role("button", name="Delete 1").click()
    await expect(page.get_by_text("No message is here yet.")).to_be_visible()
