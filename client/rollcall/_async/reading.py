"""Long answers: lists of any length a page at a time, and downloads a block at a time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from typing import Any, BinaryIO, Final, Generic, TypeVar

from rollcall._async.transport import AsyncTransport
from rollcall.models import Listing
from rollcall.whole_file import whole_file

Item = TypeVar("Item")
MOST_A_PAGE: Final = 1000


class AsyncPages(Generic[Item]):
    """A list. Iterating goes through all of it by cursor, at the same cost however deep, and holds one page."""

    def __init__(
        self, transport: AsyncTransport, path: str, listing: type[Listing[Item]], params: Mapping[str, Any]
    ) -> None:
        self._transport = transport
        self._path = path
        self._listing = listing
        self._params = dict(params)

    async def page(self, number: int = 1, *, limit: int = 10) -> Listing[Item]:
        """One page, from 1, with the number of all items."""
        return await self._get(page=number, limit=limit)

    async def __aiter__(self) -> AsyncIterator[Item]:
        cursor: str | None = None
        while True:
            page = await self._get(cursor=cursor, limit=MOST_A_PAGE)
            for item in page.data:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _get(self, **paging: Any) -> Listing[Item]:
        return await self._transport.call("GET", self._path, self._listing, params={**self._params, **paging})


class AsyncDownload:
    """The bytes of a download, as they come when they are iterated. It begins anew each time."""

    def __init__(self, transport: AsyncTransport, path: str, params: Mapping[str, Any] | None = None) -> None:
        self._transport = transport
        self._path = path
        self._params = params

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with self._transport.stream(self._path, params=self._params) as response:
            async for block in response.aiter_bytes():
                yield block

    async def read(self) -> bytes:
        """All of it at once."""
        return b"".join([block async for block in self])

    async def save(self, target: str | os.PathLike[str] | BinaryIO) -> int:
        """Write it to a path or an open file; the number of bytes. A path has all of it or nothing."""
        if not isinstance(target, str | os.PathLike):
            return await self._write(target)
        with whole_file(target) as file:
            return await self._write(file)

    async def _write(self, file: BinaryIO) -> int:
        size = 0
        async for block in self:
            file.write(block)
            size += len(block)
        return size
