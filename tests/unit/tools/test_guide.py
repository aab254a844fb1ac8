"""The documents as the site has them: without links to what it does not have, and without drawings from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import guide


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of documents, in an empty checkout."""
    folder = tmp_path / "docs"
    folder.mkdir()
    monkeypatch.setattr(guide, "ROOT", tmp_path)
    monkeypatch.setattr(guide, "DOCS", folder)
    elsewhere = {tmp_path / "CONTRIBUTING.md": "contributing.md"}
    monkeypatch.setattr(guide, "ELSEWHERE", elsewhere)
    monkeypatch.setattr(guide, "PAGES", {**elsewhere, tmp_path / "README.md": "index.md"})
    return folder


def page(file: Path, text: str) -> str:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return guide.as_page(file)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[operations](operations.md#settings)", "[operations](operations.md#settings)"),
        ("[pages](pages/README.md)", "[pages](pages/index.md)"),
        ("![a page](pages/one.png)", "![a page](pages/one.png)"),
        ("[![a page](pages/one.png)](pages/README.md)", "[![a page](pages/one.png)](pages/index.md)"),
        ("[work on it](../CONTRIBUTING.md#tests)", "[work on it](contributing.md#tests)"),
        ("[start](../README.md)", "[start](index.md)"),
        (
            "[above](#above), [elsewhere](https://example.com/a.md)",
            "[above](#above), [elsewhere](https://example.com/a.md)",
        ),
        ("[`app.py`](../api_service/app.py)", "`api_service/app.py`"),
        ("[A test](../tests/test_a.py) does it", "A test (`tests/test_a.py`) does it"),
        ("[two\nlines](../tests/test_a.py)", "two\nlines (`tests/test_a.py`)"),
    ],
)
def test_links_lead_to_pages_of_the_site_or_name_the_file(docs: Path, written: str, shown: str) -> None:
    assert page(docs / "a.md", written) == shown


def test_links_of_a_document_that_the_site_has_elsewhere_are_those_of_its_place(docs: Path) -> None:
    assert page(docs.parent / "CONTRIBUTING.md", "[g](docs/glossary.md) [app](api_service/app.py)") == (
        "[g](glossary.md) app (`api_service/app.py`)"
    )
    assert page(docs / "decisions" / "1.md", "[g](../glossary.md#a) [w](../../CONTRIBUTING.md)") == (
        "[g](../glossary.md#a) [w](../contributing.md)"
    )


def test_code_is_left_as_it_is(docs: Path) -> None:
    code = "```md\n[`app.py`](../api_service/app.py)\n```\n"
    assert page(docs / "a.md", code) == code


def test_a_diagram_becomes_the_table_that_it_draws(docs: Path) -> None:
    steps = "    gone: not there any more\n    [*] --> queued: 202\n    queued --> gone\n"
    assert page(docs / "a.md", f"```mermaid\nstateDiagram-v2\n{steps}```\n").splitlines() == [
        "| from | to | when |",
        "| --- | --- | --- |",
        "| (start) | queued | 202 |",
        "| queued | not there any more |  |",
    ]


def test_every_page_is_in_the_navigation() -> None:
    pages = {str(guide.page_of(file)) for file in guide.DOCS.rglob("*.md") if file.parent.name != "decisions"}
    named = guide.named_pages()
    assert pages | {"decisions/index.md", *guide.ELSEWHERE.values()} == named, "say in zensical.toml where it is"
