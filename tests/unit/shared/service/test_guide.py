"""The guide as a service serves it: the pages as they were built, strictly, or a word about where to get it."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from producer_service.problems import register_problem_handlers
from shared.service.guide import add_guide


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "guide"
    (folder / "decisions").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Rollcall</h1>")
    (folder / "codes.html").write_text("<h1>Codes</h1>")
    (folder / "codes.md").write_text("# Codés")
    (folder / "decisions" / "index.html").write_text("<h1>Decisions</h1>")
    return folder


def client(folder: Path) -> httpx2.AsyncClient:
    app = FastAPI()
    add_guide(app, folder)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://rollcall", follow_redirects=True)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/guide", "Rollcall"),
        ("/guide/", "Rollcall"),
        ("/guide/codes.html", "Codes"),
        ("/guide/codes", "Codes"),
        ("/guide/decisions/", "Decisions"),
        ("/guide/codes.md", "Codés"),
    ],
)
async def test_pages_come_with_and_without_their_ending(folder: Path, path: str, text: str) -> None:
    async with client(folder) as http:
        answer = await http.get(path)
    assert answer.status_code == 200
    assert text in answer.text
    assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_what_is_not_there_says_where_the_guide_begins(folder: Path) -> None:
    async with client(folder) as http:
        for path in ("/guide/nothing", "/guide/nothing.html", "/guide/../app.py", "/guide/%2e%2e/app.py"):
            answer = await http.get(path)
            assert answer.status_code == 404
    assert "/guide/" in answer.text


async def test_an_error_at_an_address_of_the_guide_points_at_the_guide_itself(folder: Path) -> None:
    app = FastAPI()
    register_problem_handlers(app)
    add_guide(app, folder)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://rollcall") as http:
        assert (await http.post("/guide/codes")).json()["type"] == "/guide/codes#method_not_allowed"


async def test_without_a_build_it_says_how_to_get_it_and_it_is_there_once_it_is_built(folder: Path) -> None:
    built_later = folder.with_name("later")
    async with client(built_later) as http:
        answer = await http.get("/guide/")
        assert answer.status_code == 404
        assert "make guide" in answer.text
        shutil.copytree(folder, built_later)
        assert (await http.get("/guide/")).status_code == 200
