"""Makes of a stored file that is no text the text in it, and stores it beside it: that is what is read from then on."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final, NamedTuple

from api_service.http.problems import Problem, ProblemCode
from api_service.settings import ApiSettings
from api_service.uploads.unpacking.file_kinds import Packing, packing_of
from api_service.uploads.unpacking.gzip_stream import gunzipped
from api_service.uploads.unpacking.workbooks import Workbooks
from shared.errors import FileCode, FileProblem
from shared.rows.byte_check import HEAD_BYTES, ByteCheck
from shared.rows.format_judge import FormatOptions
from shared.upload_store import ObjectWriter, UploadStore

TWIN_SUFFIX: Final = ".csv"


class Unpacked(NamedTuple):
    """The text of a file. `kind` is what it was taken from; `sheet` is None unless that was a workbook."""

    key: str
    check: ByteCheck
    sha256: str
    kind: str
    sheet: str | None


class Unpacker:
    def __init__(self, store: UploadStore, workbooks: Workbooks, settings: ApiSettings) -> None:
        self._store = store
        self._workbooks = workbooks
        self._most_bytes = settings.max_upload_bytes

    async def unpack(
        self,
        key: str,
        packing: Packing,
        room: AbstractAsyncContextManager[None],
        *,
        size: int,
        options: FormatOptions,
        sheet: str | None,
        twin: str | None = None,
    ) -> Unpacked:
        """From the object with this key, of so many bytes, to its `twin`, at `twin_key` if not said.

        `room` is the writer's memory, and taken when there is something to write: a workbook is read for long before.
        Raises FileProblem, `Problem`, `BudgetSpent` and the store's errors.
        """
        twin = twin or twin_key(key)
        async with contextlib.AsyncExitStack() as stack:
            reading = self.reading(key, packing, size=size, options=options, sheet=sheet)
            kind, name, blocks = await stack.enter_async_context(reading)
            await stack.enter_async_context(room)
            writer = await stack.enter_async_context(self._store.writing(twin))
            check, sha256 = await self._store_text(blocks, writer)
        return Unpacked(twin, check, sha256, kind, name)

    @contextlib.asynccontextmanager
    async def reading(
        self, key: str, packing: Packing, *, size: int, options: FormatOptions, sheet: str | None
    ) -> AsyncIterator[tuple[str, str | None, AsyncIterator[bytes]]]:
        """What the object was made of, the name of the sheet if it is a workbook, and the text in it.

        The block has to read all of it, or to end with an exception. Raises as `unpack`.
        """
        kind: str = packing.value
        name: str | None = None
        async with contextlib.AsyncExitStack() as stack:
            blocks = self._store.stream(key)
            if packing is Packing.GZIP:
                head, blocks = await _peeked(gunzipped(blocks, size, most_bytes=self._most_bytes))
                inside = packing_of(head, is_inside=True)
            else:
                inside = packing
            refuse_needless(options, sheet, is_workbook=inside is Packing.WORKBOOK)
            if inside is Packing.WORKBOOK:
                kind, name, blocks = await stack.enter_async_context(self._workbooks.reading(blocks, sheet=sheet))
            yield kind, name, blocks

    async def _store_text(self, blocks: AsyncIterator[bytes], writer: ObjectWriter) -> tuple[ByteCheck, str]:
        check = ByteCheck()
        digest = hashlib.sha256()

        def look_at(block: bytes) -> None:
            digest.update(block)
            check.update(block)

        async for block in blocks:
            # No client's pace gives others their turn here.
            await asyncio.to_thread(look_at, block)
            if check.size > self._most_bytes:
                raise FileProblem(
                    FileCode.TOO_LARGE_UNPACKED,
                    f"As CSV the sheet has more than {self._most_bytes} bytes: split it, and send the parts.",
                )
            await writer.write(block)
        check.finish()
        return check, digest.hexdigest()


def twin_key(key: str) -> str:
    return key + TWIN_SUFFIX


def format_options(options: FormatOptions, *, is_sheet: bool) -> FormatOptions:
    """How the text is to be judged: that of a sheet is of our own making."""
    return replace(options, delimiter=",", encoding="utf-8") if is_sheet else options


def refuse_needless(options: FormatOptions, sheet: str | None, *, is_workbook: bool) -> None:
    """An option that would do nothing was meant for another file, or in another way."""
    given = {"delimiter": options.delimiter, "encoding": options.encoding, "escape": options.escape}
    needless = [name for name, value in given.items() if value] if is_workbook else ["sheet"] if sheet else []
    if needless:
        what = "a workbook, whose cells are known without it" if is_workbook else "no workbook"
        raise Problem(
            ProblemCode.INVALID_REQUEST,
            f"The file is {what}: leave out {', '.join(needless)}.",
            errors=[{"location": f"body.{name}", "detail": f"the file is {what}"} for name in needless],
        )


async def _peeked(blocks: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The head of a file, and the file."""
    head = b""
    async for block in blocks:
        head += block
        if len(head) >= HEAD_BYTES:
            break
    return head[:HEAD_BYTES], _chained(head, blocks)


async def _chained(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for block in rest:
        yield block
