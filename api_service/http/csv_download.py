"""CSV as an attachment: written safe for spreadsheets, failing before its first byte where it can."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from shared.rows.formula import escape_formula
from shared.service.byte_budget import ByteBudget

# What a download holds: a block that the client has not taken, and the next one while it is made.
DOWNLOAD_BYTES: Final = 3 * 512 * 1024
# For a file that others wrote a charset would be a guess.
_FOREIGN_CSV: Final = "text/csv"
_OWN_CSV: Final = "text/csv; charset=utf-8"
# Without it Excel takes UTF-8 for the code page of its machine, and saves the mangled names.
EXCEL_MARK: Final = codecs.BOM_UTF8


def csv_lines(rows: Iterable[Sequence[str]], delimiter: str = ",") -> bytes:
    """With `'` before each cell that a spreadsheet would run as a formula; the reader of uploads takes it off again."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([escape_formula(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def csv_attachment(content: bytes, filename: str) -> Response:
    return attachment(content, filename, _OWN_CSV)


def attachment(content: bytes, filename: str, media_type: str) -> Response:
    return Response(content, headers=_attachment_headers(filename, media_type))


async def stream_csv(blocks: AsyncIterator[bytes], filename: str, room: ByteBudget) -> Response:
    """CSV that `csv_lines` made. The first block is fetched here: what fails in it is still answered as a problem.

    It takes what it holds from `room` as long as the client reads. Raises `BudgetSpent`.
    """
    return await _stream(blocks, _attachment_headers(filename, _OWN_CSV), room)


async def stream_file(
    blocks: AsyncIterator[bytes], filename: str, room: ByteBudget, *, size: int, media_type: str = _FOREIGN_CSV
) -> Response:
    """A file as it was uploaded; else as `stream_csv`."""
    headers = {**_attachment_headers(filename, media_type), "Content-Length": str(size)}
    return await _stream(blocks, headers, room)


def _attachment_headers(filename: str, content_type: str) -> dict[str, str]:
    """RFC 6266: a plain name for old clients, the whole one in UTF-8 for all others."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}",
        "X-Content-Type-Options": "nosniff",
        # As a header, because Starlette would add a charset to the media type.
        "Content-Type": content_type,
    }


async def _stream(blocks: AsyncIterator[bytes], headers: dict[str, str], room: ByteBudget) -> Response:
    taken = await room.take(DOWNLOAD_BYTES)
    try:
        first = await anext(blocks, None)
    except BaseException:  # a client that goes cancels this, and its room has to come back too
        room.give_back(taken)
        raise
    return _HeldResponse(_chain(first, blocks), headers, room, taken)


class _HeldResponse(StreamingResponse):
    """Gives its room back when it is through, also if the client went before its first byte."""

    def __init__(self, content: AsyncIterator[bytes], headers: dict[str, str], room: ByteBudget, taken: int) -> None:
        super().__init__(content, headers=headers)
        self._room = room
        self._taken = taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._room.give_back(self._taken)


async def _chain(first: bytes | None, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first is not None:
        yield first
        first = None
        async for block in rest:
            yield block
