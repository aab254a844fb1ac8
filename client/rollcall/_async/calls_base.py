"""What all groups of methods share."""

from __future__ import annotations

from typing import TypeVar

from rollcall._async.reading import AsyncPages
from rollcall._async.transport import AsyncTransport
from rollcall.models import Listing

Item = TypeVar("Item")


class AsyncCalls:
    _transport: AsyncTransport

    def _pages(self, path: str, listing: type[Listing[Item]], **params: object) -> AsyncPages[Item]:
        return AsyncPages(self._transport, path, listing, params)
