"""What a judgement leaves of the file that it was about."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from api_service.http.memory import ApiMemory
from api_service.uploads.judgement import FormatJudge
from shared.errors import FileProblem
from shared.rows.byte_check import ByteCheck
from shared.rows.format_judge import FormatOptions
from shared.upload_store import UploadStore
from tests.support.uploads import HEADER

# Of its head, which has no line end but the first, everything is held for a moment, more than once.
ENDLESS = HEADER + b"\0" + b"x" * 2 * 1024 * 1024
FEW_BYTES = 256 * 1024


@pytest.mark.parametrize("is_draft", [False, True], ids=["upload", "draft"])
async def test_problem_of_a_file_holds_nothing_of_it(is_draft: bool, tmp_path: Path) -> None:
    store = UploadStore(tmp_path.as_uri())
    async with store.writing("file") as writer:
        await writer.write(ENDLESS)
    judge = FormatJudge(store, ApiMemory().uploads)
    problems = []
    for number in range(3):
        if number == 1:
            # What the first judgement left is no file's: modules, caches.
            tracemalloc.start()
        check = ByteCheck()
        check.update(ENDLESS)
        check.finish()
        try:
            problems.append((await judge.judge("file", check, FormatOptions(), is_draft=is_draft)).problem)
        except FileProblem as problem:
            problems.append(problem)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert all(problems)
    assert held < FEW_BYTES
