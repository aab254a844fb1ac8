# Made from rollcall/_async/reading.py by `python -m tools.sync_client`: change that.
"""Long answers: lists of any length a page at a time, and downloads a block at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final, Generic, TypeVar

from rollcall._sync.transport import Transport
from rollcall.models import Listing
from rollcall.whole_file import whole_file

Item = TypeVar("Item")
MOST_A_PAGE: Final = 1000


class Pages(Generic[Item]):
    """A list. Iterating goes through all of it by cursor, at the same cost however deep, and holds one page."""

    def __init__(
        self, transport: Transport, path: str, listing: type[Listing[Item]], params: Mapping[str, Any]
    ) -> None:
        self._transport = transport
        self._path = path
        self._listing = listing
        self._params = dict(params)

    def page(self, number: int = 1, *, limit: int = 10) -> Listing[Item]:
        """One page, from 1, with the number of all items."""
        return self._get(page=number, limit=limit)

    def __iter__(self) -> Iterator[Item]:
        cursor: str | None = None
        while True:
            page = self._get(cursor=cursor, limit=MOST_A_PAGE)
            for item in page.data:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    def _get(self, **paging: Any) -> Listing[Item]:
        return self._transport.call("GET", self._path, self._listing, params={**self._params, **paging})


class Download:
    """The bytes of a download, as they come when they are iterated. It begins anew each time."""

    def __init__(self, transport: Transport, path: str, params: Mapping[str, Any] | None = None) -> None:
        self._transport = transport
        self._path = path
        self._params = params

    def __iter__(self) -> Iterator[bytes]:
        with self._transport.stream(self._path, params=self._params) as response:
            for block in response.iter_bytes():
                yield block

    def read(self) -> bytes:
        """All of it at once."""
        return b"".join([block for block in self])

    def save(self, target: str | os.PathLike[str] | BinaryIO) -> int:
        """Write it to a path or an open file; the number of bytes. A path has all of it or nothing."""
        if not isinstance(target, str | os.PathLike):
            return self._write(target)
        with whole_file(target) as file:
            return self._write(file)

    def _write(self, file: BinaryIO) -> int:
        size = 0
        for block in self:
            file.write(block)
            size += len(block)
        return size
