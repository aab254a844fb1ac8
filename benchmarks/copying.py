"""`psql \\copy`, what an upload is compared with: the same columns and indexes on the same server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.rig import Rig, run_program
from deploy.local import debian_packages
from shared.rows.fields import FIELD_NAMES
from tests.support.servers import execute

_TARGET: Final = """
    CREATE TABLE copied (LIKE employees INCLUDING ALL);
    ALTER TABLE copied ALTER upload_sequence SET DEFAULT 1, ALTER row_number SET DEFAULT 1,
                       ALTER by_update SET DEFAULT false
"""
_COPY: Final = rf"\copy copied ({', '.join(FIELD_NAMES)}) FROM '{{file}}' WITH (FORMAT csv, HEADER)"


async def copy_seconds(rig: Rig, files: Sequence[Path]) -> float:
    """Until the last of them is in, each on a connection of its own, all at once."""
    async with rig.database() as url:
        await execute(url, _TARGET)
        begin = time.perf_counter()
        await asyncio.gather(*(_copy(url, file) for file in files))
        return time.perf_counter() - begin


async def _copy(url: str, file: Path) -> None:
    programs = debian_packages.postgres_programs()
    assert programs is not None
    await run_program(str(programs / "psql"), "--no-psqlrc", "--quiet", "--command", _COPY.format(file=file), url)


def split_in_two(file: Path, rows: int) -> tuple[Path, Path]:
    """Its first and its second half, each with the header."""
    halves = file.with_suffix(".first.csv"), file.with_suffix(".second.csv")
    with file.open("rb") as lines:
        header = next(lines)
        for half, share in zip(halves, (rows // 2, None), strict=True):
            with half.open("wb") as out:
                out.write(header)
                out.writelines(islice(lines, share))
    return halves
