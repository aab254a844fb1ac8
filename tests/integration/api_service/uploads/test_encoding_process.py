"""Encodings that another process ranks: as this one would, and unclear where that process fails."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from api_service.uploads import encoding_process, judgement
from api_service.uploads.encoding_process import rank_encodings_apart
from shared.rows.encoding_guess import rank_encodings
from tests.support.patience import patience
from tests.support.uploads import HEADER, send
from tests.support.waiting import eventually

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


async def test_files_whose_encoding_is_being_ranked_keep_nobody_else_waiting(
    api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    ranking: list[bytes] = []
    judging: list[object] = []
    beside_the_event_loop = judgement.beside_the_event_loop

    def rank(cells: bytes) -> dict[str, float]:
        ranking.append(cells)
        may_go_on.wait(60 * patience())
        return rank_encodings(cells)

    async def noted(judge: Any, *given: Any, **more: Any) -> Any:
        judging.append(judge)
        return await beside_the_event_loop(judge, *given, **more)

    monkeypatch.setattr(judgement, "rank_encodings_apart", rank)
    monkeypatch.setattr(judgement, "beside_the_event_loop", noted)
    # More files than threads, and no more at a time than the database has connections for.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(3))
    waiting = [asyncio.create_task(send(api, HEADER + ROWS.encode("cp1252"))) for _ in range(6)]
    try:
        # All of them have been received by then, and hold the threads that they may hold.
        await eventually(lambda: len(judging) == len(waiting) and len(ranking) >= 2)
        async with asyncio.timeout(20 * patience()):
            await asyncio.to_thread(lambda: None)
        assert not any(each.done() for each in waiting)
    finally:
        may_go_on.set()
    assert {(await each).status_code for each in waiting} == {202}
