"""CSV as an attachment: fails before its first byte where it can, and under a name that every browser understands."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TypeVar
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import StreamingResponse

Text = TypeVar("Text", str, bytes)


def attachment_headers(filename: str) -> dict[str, str]:
    """RFC 6266: a plain name for old clients, the whole one in UTF-8 for all others."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}",
        "X-Content-Type-Options": "nosniff",
        # Set here, because Starlette would add a charset, which is a guess for a file that others wrote.
        "Content-Type": "text/csv",
    }


async def stream_csv(blocks: AsyncIterator[Text], filename: str, *, size: int | None = None) -> Response:
    """The first block is fetched here: what fails in it is still answered as a problem."""
    first = await anext(blocks, None)
    headers = attachment_headers(filename)
    if size is not None:
        headers["Content-Length"] = str(size)
    return StreamingResponse(_chain(first, blocks), headers=headers)


async def _chain(first: Text | None, rest: AsyncIterator[Text]) -> AsyncIterator[Text]:
    if first is not None:
        yield first
        async for block in rest:
            yield block
