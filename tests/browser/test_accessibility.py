"""Every page can be used by those who see, hear or point otherwise: axe-core finds nothing, bright and dark."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser

from tests.support.browsing import accessibility_findings, finished_upload, open_page
from tests.support.plain_http import plain_client
from tests.support.services import Services
from tests.support.uploads import HEADER, send
from tests.support.waiting import eventually

CSV = HEADER + b"Ada Holm,Fjord AS,+47 22 55 01 01,ada@fjord.example\nBob Ek,Fjord AS,nothing,bob\n"
# As long as they may be, without a place to break.
LONGEST_NAME = b"N" * 200
LONG = (
    HEADER
    + LONGEST_NAME
    + b","
    + LONGEST_NAME
    + b",+47 22 55 01 01,"
    + b"l" * 60
    + b"@"
    + b"fjord." * 30
    + b"example\n"
)
LONG += LONGEST_NAME + b",Fjord AS,nothing at all that anybody could ever call,ada@fjord.example\n"
WIDTHS = (1280, 390)
# Rows whose cells do not end on one line, and, where a list has no columns any more, what is wider than its place.
BROKEN_LISTS = """width => width === 390
    ? [...document.querySelectorAll("table.list")].filter(list =>
        list.scrollWidth > list.parentElement.clientWidth).length
    : [...document.querySelectorAll("tr")].filter(row =>
        new Set([...row.cells].map(cell => Math.round(cell.getBoundingClientRect().bottom))).size > 1).length"""


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(
    services: Services, browser: Browser, axe_script: str, theme: Literal["light", "dark"]
) -> None:
    await services.start_all(consumers=1)
    async with plain_client(services.api_url) as api:
        upload = await finished_upload(api, CSV)
        draft = (await send(api, CSV, start="draft")).headers["Location"].removeprefix("/v1")
        await api.post("/v1/queues/default/messages", json={"payload": {"to": "ada"}})
        previewed = (await send(api, CSV, start="draft")).headers["Location"]
        await api.post(f"{previewed}/preview")

        async def is_previewed() -> bool:
            return bool((await api.get(previewed)).json()["status"] == "previewed")

        await eventually(is_previewed, seconds=60)
        leaving = await finished_upload(
            api, CSV.replace(b"ada@", b"new@")[:-28], absent="deactivate", absentScope="all", absentAtMost="100%"
        )
        changed = await finished_upload(api, CSV.replace(b"Ada Holm", b"Ada Quist"), onDuplicate="update")
        long = await finished_upload(api, LONG, filename=f"{'f' * 180}.csv", onDuplicate="update")
        unclear = await send(api, "name;email\nŽák;a@b.example\n".encode("cp1250"), start="draft")
    addresses = [
        "/",
        "/?status=failed",
        upload,
        f"{upload}/results",
        f"{upload}/rejects",
        f"{upload}/rejects?code=poison_row",
        f"{upload}/left",
        leaving,
        changed,
        long,
        f"{long}/results",
        f"{long}/rejects",
        draft,
        previewed.removeprefix("/v1"),
        unclear.headers["Location"].removeprefix("/v1"),
        "/uploads/none",
        "/employees",
        "/employees?searchTerm=nobody",
        "/employees/1",
        "/dead-letters",
        "/dead-letters?code=poison_row",
        "/queues",
        "/queues/default",
        "/system",
    ]
    findings = []
    async with open_page(browser, services.api_url, color_scheme=theme) as page:
        for address in addresses:
            await page.goto(address)
            for width in WIDTHS:
                await page.set_viewport_size({"width": width, "height": 800})
                findings += [f"{address} at {width}: {each}" for each in await accessibility_findings(page, axe_script)]
                if await page.evaluate("document.documentElement.scrollWidth") > width:
                    findings.append(f"{address} is wider than {width}")
                if broken := await page.evaluate(BROKEN_LISTS, width):
                    findings.append(f"{address} at {width} has {broken} lists or rows that are out of line")
    assert findings == []
