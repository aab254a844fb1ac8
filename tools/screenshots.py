"""Photographs the pages of a running system for the documents: `python -m tools.screenshots http://localhost:8000`.

It sends two small files, so point it at a system that is there to be tried. Needs the packages of requirements/dev.txt
and the program chromium.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from deploy.checkout import CHECKOUT

FOLDER: Final = CHECKOUT / "docs" / "pages"
Theme = Literal["light", "dark"]
# A desk by day and a phone by night.
VIEWS: Final[tuple[tuple[int, int, Theme], ...]] = ((1280, 800, "light"), (390, 844, "dark"))
NAMES: Final = ("Łukasz Żak", "Jiří Dvořák", "Zdeňka Šťastná", "Ada Holm", "Tomáš Růžička", "Věra Žáčková")
RUNNING_ROWS: Final = 200_000
NUMBERS: Final = ("+48 22 555 01 01", "555 0101 / 555 0102", "+420 601 555 010")


def main() -> None:
    address = sys.argv[1].rstrip("/")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(base_url=address, viewport={"width": 1280, "height": 800})
        draft = _sent(page, _file())
        upload = _sent(page, _file())
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_role("heading", name="wait to be corrected")).to_be_visible(timeout=60_000)
        pages = {
            "uploads": "/",
            "draft": draft,
            "upload": upload,
            "rejects": f"{upload}/rejects",
            "employees": "/employees",
        }
        _photograph_running(page)
        for name, path in (pages | {"dead-letters": "/dead-letters", "system": "/system"}).items():
            _photograph(browser, address + path, name)
        browser.close()


def _photograph_running(page: Page) -> None:
    """The picture of README.md: an upload that is large enough to be met on its way."""
    people = (f"{NAMES[at % 6]};Kolo s.r.o.;{_number(at)};running{at}@kolo.example" for at in range(RUNNING_ROWS))
    _sent(page, "\n".join(["Name;Company;Phone;E-mail", *people]).encode())
    page.get_by_role("button", name="Import").click()
    expect(page.locator("[data-percent]")).to_have_text(re.compile(r"^[4-9]\d%$"), timeout=60_000)
    page.screenshot(path=FOLDER / "running-1280.png", clip={"x": 0, "y": 0, "width": 1280, "height": 420})


def _number(at: int) -> str:
    """One in two hundred is refused."""
    return NUMBERS[1 if at % 200 == 0 else 0]


def _file() -> bytes:
    rows = [f"{NAMES[at % 6]};Kolo s.r.o.;{NUMBERS[at % 3]};person{at}@kolo.example" for at in range(40)]
    return "\n".join(["Name;Company;Phone;E-mail", *rows]).encode()


def _sent(page: Page, content: bytes) -> str:
    page.goto("/")
    page.set_input_files("#file", {"name": "staff-2026.csv", "mimeType": "text/csv", "buffer": content})
    page.get_by_role("button", name="Look at its rows").click()
    expect(page.get_by_role("heading", name="staff-2026.csv")).to_be_visible()
    return page.evaluate("location.pathname")  # type: ignore[no-any-return]


def _photograph(browser: Browser, address: str, name: str) -> None:
    for width, height, theme in VIEWS:
        context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": height})
        page = context.new_page()
        page.goto(address)
        page.wait_for_load_state("networkidle")
        path: Path = FOLDER / f"{name}-{width}.png"
        page.screenshot(path=path)
        print(f"{path.relative_to(CHECKOUT)}: {path.stat().st_size // 1024} KiB")
        context.close()


if __name__ == "__main__":
    main()
