# Made from rollcall/_async/calls_base.py by `python -m tools.sync_client`: change that.
"""What all groups of methods share."""

from __future__ import annotations

from typing import TypeVar

from rollcall._sync.reading import Pages
from rollcall._sync.transport import Transport
from rollcall.models import Listing

Item = TypeVar("Item")


class Calls:
    _transport: Transport

    def _pages(self, path: str, listing: type[Listing[Item]], **params: object) -> Pages[Item]:
        return Pages(self._transport, path, listing, params)
