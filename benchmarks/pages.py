"""First paint of each page in a real Chromium that has nothing of it yet: with ten million employees, a hundred
thousand refused rows, and nobody else at work.

It is counted from the click to the first text that is seen, as the browser itself says it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import uuid
from functools import partial
from typing import Final

import asyncpg
from playwright.async_api import Browser, async_playwright

from benchmarks.figures import Measure, Outcome, at_most, in_turns
from benchmarks.listing_table import COMMON_DOMAIN, fill_employees
from benchmarks.rig import rig
from benchmarks.uploading import get_json
from tests.support.uploads import insert_upload
from tests.support.waiting import eventually

REJECTS: Final = 100_000
MOST_MS: Final = 1000
_FIRST_PAINT: Final = """
    () => new Promise((resolve) => new PerformanceObserver((list) => {
        for (const entry of list.getEntriesByName("first-contentful-paint")) resolve(entry.startTime);
    }).observe({type: "paint", buffered: true}))
"""
_REJECT: Final = """
    INSERT INTO rejected_rows (upload_id, row_number, line_number, code, field, message, cells, dead_at)
    SELECT $1, n, n + 1, 'invalid_mobile', 'mobile_no', 'mobile_no must be a phone number.',
           jsonb_build_array('Ada Holm', 'Fjord AS', '555 0103 / 555 0104', 'ada' || n || '@fjord.example'), now()
    FROM generate_series(1, $2::bigint) AS n
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--employees", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=7, help="how often each page is opened, in turns (7)")


async def measure(options: argparse.Namespace) -> Outcome:
    with rig() as here:
        async with here.database() as url:
            connection = await asyncpg.connect(url)
            await fill_employees(connection, 1, options.employees)
            upload_id = await _with_rejects(connection)
            await connection.close()
            async with here.services(url, consumers=1) as services, async_playwright() as playwright:
                await _until_letters_are_out(services.api.url)
                browser = await playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                measures: dict[str, Measure] = {
                    name: partial(_first_paint_ms, browser, f"{services.api.url}{path}")
                    for name, path in _pages(upload_id, options.employees).items()
                }
                figures = list((await in_turns(options.rounds, "ms", measures)).values())
                await browser.close()
    return Outcome(
        f"{options.employees / 1_000_000:g} million employees, {REJECTS:,} refused rows, one API process, "
        f"a browser without a cache, {options.rounds} turns",
        figures,
        [at_most(f"{figure.name}", figure.median, MOST_MS, "ms") for figure in figures],
    )


def _pages(upload_id: uuid.UUID, employees: int) -> dict[str, str]:
    upload = f"/uploads/{upload_id}"
    return {
        "Uploads": "/",
        "an upload": upload,
        "its refused rows": f"{upload}/rejects",
        "its refused rows, the last page": f"{upload}/rejects?page={REJECTS // 100}",
        "Employees": "/employees",
        "Employees, a page in the middle": f"/employees?page={employees // 25 // 2}",
        "Employees, a search": f"/employees?searchTerm={COMMON_DOMAIN}",
        "one employee": f"/employees/{employees // 2}",
        "Dead letters": "/dead-letters",
        "Queues": "/queues",
        "System": "/system",
    }


async def _until_letters_are_out(api_url: str) -> None:
    """Of the refused rows, which are looked for in the new queue: until then the API has that to do."""

    async def are_out() -> bool:
        depth: int | None = get_json(api_url, "/v1/dead-letters?limit=1")["depth"]
        return depth == REJECTS

    await eventually(are_out, seconds=300)


async def _first_paint_ms(browser: Browser, address: str) -> float:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    answer = await page.goto(address)
    if answer is None or not answer.ok:
        raise RuntimeError(f"{address} is no page")
    milliseconds: float = await page.evaluate(_FIRST_PAINT)
    await context.close()
    return milliseconds


async def _with_rejects(connection: asyncpg.Connection) -> uuid.UUID:
    counts = dict.fromkeys(("rows_read", "rows_done", "rejected"), REJECTS)
    rejected_by = json.dumps({"invalid_mobile": REJECTS})
    upload_id = await insert_upload(connection, status="partially_succeeded", rejected_by=rejected_by, **counts)
    await connection.execute("UPDATE uploads SET started_at = created_at, finished_at = now()")
    await connection.execute(_REJECT, upload_id, REJECTS)
    await connection.execute("VACUUM ANALYZE rejected_rows")
    return upload_id
