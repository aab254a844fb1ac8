"""Encodings that another process ranks: as this one would, and unclear where that process fails."""

from __future__ import annotations

import httpx2
import pytest

from api_service.uploads import encoding_process
from api_service.uploads.encoding_process import rank_encodings_apart
from shared.rows.encoding_guess import rank_encodings
from tests.support.uploads import HEADER, send

ROWS = "".join(f"Jürgen Müller {number},Straßenbau,+4930555{number:04},j{number}@bau.example\n" for number in range(50))


def test_other_process_ranks_as_this_one() -> None:
    cells = ROWS.encode("cp1252")
    assert rank_encodings_apart(cells) == rank_encodings(cells) != {}


async def test_encoding_is_asked_for_where_nothing_could_rank_it(
    api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = HEADER + ROWS.encode("cp1252")
    assert (await send(api, content)).json()["encoding"] == "cp1252"

    monkeypatch.setattr(encoding_process, "PROGRAM", "shared.no_such_program")
    answer = await send(api, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "encoding_unclear")
    assert "cp1252" in [each["encoding"] for each in answer.json()["candidates"]]
