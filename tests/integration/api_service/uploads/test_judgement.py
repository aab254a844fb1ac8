"""What a judgement leaves of the file that it was about."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_service.http.memory import ApiMemory
from api_service.uploads.judgement import FormatJudge
from shared.errors import FileProblem
from shared.rows.byte_check import ByteCheck
from shared.rows.format_judge import FormatOptions
from shared.upload_store import UploadStore
from tests.support.uploads import HEADER

# Of their heads everything is held for a moment, more than once.
ENDLESS = HEADER + b"\0" + b"x" * 2 * 1024 * 1024
OF_UNKNOWN_COLUMNS = b"a,b,c\n" + (b"x" * 30_000 + b"\n") * 60
FEW_BYTES = 256 * 1024


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What refers to itself stays, as it may for long."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize(
    ("content", "is_draft"),
    [(ENDLESS, False), (OF_UNKNOWN_COLUMNS, True)],
    ids=["refused upload", "draft to be mended"],
)
async def test_problem_of_a_file_holds_nothing_of_it(content: bytes, is_draft: bool, tmp_path: Path) -> None:
    store = UploadStore(tmp_path.as_uri())
    async with store.writing("file") as writer:
        await writer.write(content)
    judge = FormatJudge(store, ApiMemory().uploads)
    problems = []
    for number in range(3):
        if number == 1:
            # What the first judgement left is no file's: modules, caches.
            tracemalloc.start()
        check = ByteCheck()
        check.update(content)
        check.finish()
        try:
            problem = (await judge.judge("file", check, FormatOptions(), is_draft=is_draft)).problem
        except FileProblem as refused:
            assert not is_draft
            problem = refused
        assert problem is not None
        problems.append(problem)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert len(problems) == 3
    assert held < FEW_BYTES
