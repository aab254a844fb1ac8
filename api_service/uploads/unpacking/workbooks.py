"""Reads workbooks in processes of their own: bounded in number, memory and time, and ended with the request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from api_service.http.problems import Problem, ProblemCode
from api_service.settings import ApiSettings
from shared.errors import FileCode, FileProblem

log = structlog.get_logger(__name__)

# What Excel's own sheets can have.
MOST_ROWS: Final = 1_048_576
# In the CSV, where a cell has a line end: the reader takes it for white space, and each row of the sheet is one line.
LINE_END_IN_CELL: Final = "\u2028"
BLOCK_BYTES: Final = 256 * 1024
# The names of a workbook's sheets are in the first line.
_REPORT_BYTES: Final = 64 * 1024
CONVERTER: Final = f"{__package__}.converter"
_ROOT: Final = Path(__file__).parents[3]
_OUT_OF_MEMORY: Final = (3, -signal.SIGABRT, -signal.SIGKILL)
_OUT_OF_TIME: Final = -signal.SIGXCPU


class Sheet(NamedTuple):
    """A sheet as CSV: UTF-8, commas, and the lines are its rows."""

    kind: str
    name: str
    blocks: AsyncIterator[bytes]


class Workbooks:
    """One an application, because it counts how many are read at once."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(settings.workbooks_at_once)

    @contextlib.asynccontextmanager
    async def reading(self, content: AsyncIterator[bytes], *, sheet: str | None) -> AsyncIterator[Sheet]:
        """The sheet of that name or number, else the first that is shown, of a workbook.

        When the block ends, however it does, so does the process that reads. Raises FileProblem, here or while the
        sheet's blocks are read, and `Problem`: too_large, and conversion_busy after a while of waiting.
        """
        async with self._place():
            try:
                async with (
                    asyncio.timeout(self._settings.workbook_seconds),
                    self._process(sheet) as process,
                    _feeding(process, self._bounded(content)),
                ):
                    report = await _report(process)
                    yield Sheet(report["kind"], report["sheet"], _blocks(process))
            except TimeoutError:
                raise self._out_of_time() from None
            except _ConverterDied as death:
                raise self._died(death.status) from None

    async def _bounded(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        most = self._settings.max_workbook_bytes
        size = 0
        async for block in content:
            size += len(block)
            if size > most:
                raise Problem(
                    ProblemCode.TOO_LARGE,
                    f"A workbook may have {most} bytes: save the sheet as CSV, which may be larger.",
                )
            yield block

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.workbook_wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise Problem(
                ProblemCode.CONVERSION_BUSY, "Other workbooks are being read: send it again a little later, or as CSV."
            ) from None
        try:
            yield
        finally:
            self._places.release()

    @contextlib.asynccontextmanager
    async def _process(self, sheet: str | None) -> AsyncIterator[asyncio.subprocess.Process]:
        order = {
            "sheet": sheet,
            "rows": MOST_ROWS,
            "line_end": LINE_END_IN_CELL,
            "unpacked_bytes": self._settings.max_upload_bytes,
            "memory_bytes": self._settings.workbook_memory_bytes,
            "seconds": max(1, round(self._settings.workbook_seconds)),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            CONVERTER,
            json.dumps(order),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_REPORT_BYTES,
            # It has no use for our passwords.
            env={"PYTHONPATH": str(_ROOT)},
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _died(self, status: int) -> FileProblem:
        if status == _OUT_OF_TIME:
            return self._out_of_time()
        if status in _OUT_OF_MEMORY:
            return FileProblem(
                FileCode.TOO_LARGE_UNPACKED,
                "Reading the workbook takes more memory than it may. Delete what is not needed, such as cells far "
                "below or beside the table, or save the sheet as CSV.",
            )
        log.warning("the converter of workbooks failed", status=status)
        return FileProblem(
            FileCode.DAMAGED_FILE, "The workbook cannot be read. Open it, save it anew or as CSV, and send that."
        )

    def _out_of_time(self) -> FileProblem:
        return FileProblem(
            FileCode.TOO_LARGE_UNPACKED,
            f"Reading the workbook takes more than {self._settings.workbook_seconds:g} s. Save the sheet as CSV.",
        )


class _ConverterDied(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@contextlib.asynccontextmanager
async def _feeding(process: asyncio.subprocess.Process, content: AsyncIterator[bytes]) -> AsyncIterator[None]:
    """Hands the workbook to the process beside what the block does. What fails in that fails the block."""
    feed = asyncio.create_task(_feed(process, content))
    try:
        yield
        await feed
    except (FileProblem, _ConverterDied):
        # Of what was cut off for that reason, the process can only say that it is damaged.
        if feed.done():
            feed.result()
        raise
    finally:
        feed.cancel()
        await asyncio.wait({feed})


async def _feed(process: asyncio.subprocess.Process, content: AsyncIterator[bytes]) -> None:
    stdin = process.stdin
    assert stdin is not None  # noqa: S101 - it is a pipe
    try:
        async for block in content:
            stdin.write(block)
            await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        # It has died, and its status says of what.
        pass
    finally:
        stdin.close()


async def _report(process: asyncio.subprocess.Process) -> dict[str, str]:
    stdout = process.stdout
    assert stdout is not None  # noqa: S101 - it is a pipe
    line = await stdout.readline()
    if not line.endswith(b"\n"):
        raise _ConverterDied(await process.wait())
    report: dict[str, str] = json.loads(line)
    if "refused" in report:
        raise FileProblem(FileCode(report["refused"]), report["detail"])
    return report


async def _blocks(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    stdout = process.stdout
    assert stdout is not None  # noqa: S101 - it is a pipe
    while block := await stdout.read(BLOCK_BYTES):
        yield block
    status = await process.wait()
    if status:
        raise _ConverterDied(status)
