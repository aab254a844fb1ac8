"""The guide as it is built and served, in a browser that can reach nothing else and is held to its policy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, expect

from shared.service.guide import add_guide
from tests.support.api import served
from tests.support.browsing import open_page
from tests.support.plain_http import plain_client
from tools import guide


def html_files(folder: Path) -> list[Path]:
    return sorted(file.relative_to(folder) for file in folder.rglob("*.html"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "guide"
    guide.build(folder)
    return folder


async def test_every_page_is_shown_with_nothing_from_elsewhere(browser: Browser, built: Path) -> None:
    app = FastAPI()
    add_guide(app, built)
    pages = [Path(path).with_suffix("") for path in sorted(guide.named_pages())]
    async with served(app) as address, open_page(browser, address) as page:
        for path in pages:
            await page.goto(f"/guide/{path}")
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            # It has its styles: without them, the list of pages stands above the text.
            assert await page.evaluate("getComputedStyle(document.querySelector('.md-header')).position") == "sticky"


async def test_the_search_finds_a_page(browser: Browser, built: Path) -> None:
    app = FastAPI()
    add_guide(app, built)
    async with served(app) as address, open_page(browser, address) as page:
        await page.goto("/guide/")
        await page.get_by_role("button", name="Search").first.click()
        # It comes by a script, after the click.
        await page.get_by_role("combobox").press_sequentially("announcement")
        await expect(page.get_by_text("results")).to_be_visible()
        await page.get_by_role("heading", name="Glossary").click()
        await expect(page.locator("#glossary")).to_be_visible()


async def test_each_page_lies_beside_its_markdown_and_the_list_names_all(built: Path) -> None:
    app = FastAPI()
    add_guide(app, built)
    async with served(app) as address, plain_client(address) as http:
        contents = (await http.get("/guide/llms.txt")).text
        for path in guide.named_pages():
            assert f"]({path})" in contents
        for html in html_files(built):
            answer = await http.get(f"/guide/{html.with_suffix('.md')}")
            assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
            assert answer.text.startswith("# ")


def test_a_link_to_nowhere_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(guide.DOCS, docs)
    monkeypatch.setattr(guide, "DOCS", docs)
    glossary = docs / "glossary.md"
    glossary.write_text(f"{glossary.read_text()}\n[nothing](operations.md#nothing-of-this-name)\n")
    with pytest.raises(guide.GuideFailed, match="anchor does not exist"):
        guide.build(tmp_path / "guide")
