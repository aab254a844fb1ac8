"""From a file to its end, as somebody does it who has never seen an API."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.support.browsing import drop_file, open_page
from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.services import Services
from tests.support.uploads import HEADER, send
from tests.support.waiting import eventually

SECONDS = 30_000 * patience()


def czech_file(folder: Path) -> Path:
    """Columns whose names nobody told us, in an encoding that nothing tells for sure, with one row to be refused."""
    people = [
        ("Zdeněk Šťastný", "555-0101 / 0102"),
        ("Jiří Růžička", "+420 601 555 010"),
        ("Věra Žáčková", "+420 601 555 011"),
    ]
    lines = ["Pracovník;Zaměstnavatel;Spojení;E-mail"]
    lines += [f"{name};Kolo s.r.o.;{number};p{at}@kolo.example" for at, (name, number) in enumerate(people)]
    file = folder / "lidé <b>.csv"
    file.write_bytes("\r\n".join(lines).encode("cp1250"))
    return file


def numbered_rows(count: int) -> bytes:
    return HEADER + b"".join(b"Ada Holm,Fjord AS,+47 22 55 01 01,ada%d@fjord.example\n" % at for at in range(count))


async def hold_events_until(page: Page, services: Services, status: str) -> None:
    """The first event comes as late as it can: the upload moved on after its page was made."""

    async def hold(route: Route) -> None:
        upload = route.request.url.removesuffix("/events")

        async def is_there() -> bool:
            return bool((await api.get(upload)).json()["status"] == status)

        async with plain_client(services.api_url) as api:
            await eventually(is_there, seconds=60)
        await route.continue_()

    await page.route("**/events", hold, times=1)


async def test_a_file_in_an_unclear_encoding_is_mended_by_the_chooser(
    services: Services, page: Page, database_url: str, tmp_path: Path
) -> None:
    await services.start_all(consumers=1)
    await page.goto("/")
    await page.set_input_files("#file", czech_file(tmp_path))
    await page.get_by_role("button", name="Look at its rows").click()
    await expect(page.get_by_role("heading", name="lidé <b>.csv")).to_be_visible(timeout=SECONDS)
    await expect(page.get_by_role("button", name="Import")).to_be_disabled()

    # Its script runs when all is there, and not before.
    await page.wait_for_load_state()
    await page.get_by_role("radio", name=re.compile("cp1250.*Šťastný")).check()
    for title, field in (("Pracovník", "employee_name"), ("Zaměstnavatel", "company_name"), ("Spojení", "mobile_no")):
        chooser = page.get_by_label(re.compile(f"Field of column .*{title}"))
        await chooser.select_option(field)
        await expect(chooser).to_have_value(field)
        await expect(page.locator("form[aria-busy]")).to_have_count(0)
    await expect(page.locator("td.fault")).to_contain_text("555-0101 / 0102")
    await expect(page.locator("td.fault .why")).to_contain_text("mobile_no")
    await expect(page.get_by_text("1 of them would be refused")).to_be_visible()

    await page.get_by_role("button", name="Import 3 rows").click()
    await expect(page.locator(".state")).to_contain_text("partially succeeded", timeout=SECONDS)
    await expect(page.locator(".counts")).to_contain_text("2 inserted")
    database = await asyncpg.connect(database_url)
    names = await database.fetch("SELECT employee_name FROM employees ORDER BY id")
    await database.close()
    assert [row["employee_name"] for row in names] == ["Jiří Růžička", "Věra Žáčková"]


async def test_what_was_previewed_is_imported_and_nothing_else(services: Services, page: Page) -> None:
    await services.start_all(consumers=1)
    await page.goto("/")
    await drop_file(page, "staff.csv", numbered_rows(250) + b"Bob Ek,Fjord AS,no number,bob@fjord.example\n")
    await expect(page.get_by_label("have left")).to_be_visible()
    await page.wait_for_load_state()
    await page.get_by_label("have left").check()
    await page.get_by_label("if they are of the company").fill("all")
    await page.get_by_label("if they are of the company").press("Enter")
    await expect(page.locator("form[aria-busy]")).to_have_count(0)
    await hold_events_until(page, services, "previewed")
    await page.get_by_role("button", name="Check all rows").click()
    await expect(page.get_by_role("heading", name="All 251 rows were checked")).to_be_visible(timeout=SECONDS)
    await page.get_by_role("link", name="1 would be refused").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.go_back()
    await page.get_by_role("button", name="Import exactly this").click()
    await expect(page.locator(".counts")).to_contain_text("250 inserted", timeout=SECONDS)
    await expect(page.get_by_text("0 have left")).to_be_visible(timeout=SECONDS)


async def test_the_history_and_the_system_move_by_themselves(services: Services, page: Page, database_url: str) -> None:
    await services.start("api_service")
    async with plain_client(services.api_url) as api:
        await send(api, numbered_rows(3))
    await page.goto("/")
    await expect(page.locator(".state")).to_contain_text("queued")
    system = await page.context.new_page()
    await system.goto("/system")
    await expect(system.get_by_text("Start a producer_service")).to_be_visible()
    database = await asyncpg.connect(database_url)
    await database.execute(
        "UPDATE uploads SET status = 'succeeded', finished_at = now(), rows_read = 3, rows_done = 3, inserted = 3"
    )
    await database.close()
    await expect(system.get_by_text("Nothing is wrong")).to_be_visible(timeout=SECONDS)
    await expect(page.locator("td.bar")).to_contain_text("3 inserted", timeout=SECONDS)


@pytest.mark.parametrize("rows", [3_000, pytest.param(200_000, marks=pytest.mark.long)])
async def test_an_upload_is_watched_live_through_a_reload_and_a_restart_of_the_api_and_undone(
    services: Services, page: Page, rows: int
) -> None:
    if rows > 3_000:
        await services.start_all(consumers=2)
    else:
        await services.start_slow(chunk_seconds=0.8)
    async with plain_client(services.api_url) as api:
        upload = (await send(api, numbered_rows(rows))).json()
    # Where the stream is refused, as when too many look, the page goes on without it, and tries again.
    await page.route("**/events", lambda route: route.fulfill(status=503), times=1)
    await page.goto(f"/uploads/{upload['id']}")
    done = page.locator("[data-count=inserted]")
    await expect(done).not_to_have_text("0", timeout=SECONDS)
    before = int((await done.inner_text()).replace(",", ""))
    await page.reload()
    assert int((await done.inner_text()).replace(",", "")) >= before
    (api_service,) = services.of("api_service")
    api_service.kill()
    await api_service.ended()
    await api_service.restart()
    # No reload: the page comes back to the stream by itself, and is there at the end.
    await expect(page.locator(".state")).to_contain_text("succeeded", timeout=2 * SECONDS)
    await expect(page.locator(".counts")).to_contain_text(f"{rows:,} inserted")
    stages = ["Sent", "Waited", f"s: {rows:,} rows", "Written"]
    await expect(page.locator(".stages li")).to_contain_text(stages)

    await page.get_by_role("button", name="Undo this upload").click()
    await expect(page.locator(".state")).to_contain_text("undone", timeout=2 * SECONDS)
    await expect(page.locator("main")).to_contain_text(f"{rows:,} taken out")


async def test_all_of_it_works_without_scripts(services: Services, browser: Browser, tmp_path: Path) -> None:
    await services.start_all(consumers=1)
    async with open_page(browser, services.api_url, java_script_enabled=False) as page:
        await page.goto("/")
        await page.set_input_files("#file", czech_file(tmp_path))
        await page.get_by_role("button", name="Look at its rows").click()
        await page.get_by_role("radio", name=re.compile("cp1250.*Šťastný")).check()
        await page.get_by_role("button", name="Show the rows so").click()
        for column, field in enumerate(("employee_name", "company_name", "mobile_no", "email")):
            await page.locator("select[name=column]").nth(column).select_option(field)
        await page.get_by_role("button", name="Show the rows so").click()
        await page.get_by_role("button", name="Import 3 rows").click()
        # The page asks again by itself, as pages did before there were scripts.
        await expect(page.locator(".state")).to_contain_text("partially succeeded", timeout=SECONDS)
        await page.get_by_role("link", name="2 inserted").click()
        await expect(page.locator("tbody tr")).to_have_count(2)
