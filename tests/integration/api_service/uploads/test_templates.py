"""Templates over HTTP: in the language that is asked for, and taken back as they are."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2
import pytest

from api_service.uploads.templates import LANGUAGES
from shared.rows.fields import FIELD_NAMES, FIELDS
from tests.support.uploads import UPLOAD, send


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("language", ["", *LANGUAGES])
async def test_template_is_taken_as_an_upload(
    api: httpx2.AsyncClient, database: asyncpg.Connection, form: str, language: str
) -> None:
    query = f"?language={language}" if language else ""
    template = await api.get(f"{UPLOAD}/template.{form}{query}")
    assert template.status_code == 200
    assert f'filename="employees.{form}"' in template.headers["Content-Disposition"]
    answer = await send(api, template.content, filename=f"employees.{form}")
    assert answer.status_code == 202, answer.text
    upload: dict[str, Any] = answer.json()
    assert len(upload["columns"]) == len(FIELDS)
    assert (upload["columns"] == list(FIELD_NAMES)) == (language == "")
    layout = await database.fetchval("SELECT field_columns::text FROM uploads")
    assert all(name in layout for name in FIELD_NAMES)


@pytest.mark.parametrize("query", ["language=klingon", "language=", "lang=de"])
async def test_language_that_is_not_known_is_refused(api: httpx2.AsyncClient, query: str) -> None:
    for form in ("csv", "xlsx"):
        answer = await api.get(f"{UPLOAD}/template.{form}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
