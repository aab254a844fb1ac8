"""The one form of every list: `page`, `limit` or `cursor` in; the envelope and its `Link` header out."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from api_service.http.cursors import MAX_CURSOR_LENGTH, decode_cursor, encode_cursor, invalid_cursor
from api_service.http.json_model import JsonModel
from api_service.http.json_response import json_response
from api_service.http.moment import is_storable

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 1000
# A page ends early, with a cursor, where it would be larger.
MAX_PAGE_BYTES: Final = 1024 * 1024
# What an answer that is being made holds for each cell of a row, besides its text.
CELL_BYTES: Final = 64
# Keeps the offset, page times limit, far inside a bigint.
MAX_PAGE: Final = 1_000_000_000

PAGING_PARAMETERS: Final = frozenset({"page", "limit", "cursor"})

Row = TypeVar("Row")
Item = TypeVar("Item")
Key = TypeVar("Key", bound=tuple[Any, ...])


class Total(NamedTuple):
    """The number of items in the whole list, which may be a guess."""

    items: int
    is_estimate: bool = False


class Listing(JsonModel, Generic[Item]):
    """One page of a list."""

    data: list[Item]
    page: int | None = Field(description="The page asked for; null when a cursor was.")
    limit: int
    size: int = Field(description="Items in `data`.")
    total_data: int = Field(description="Items in the whole list.")
    total_pages: int
    total_is_estimate: bool = Field(description="Whether `totalData` and `totalPages` are estimates.")
    next_cursor: str | None = Field(
        description="Pass as `cursor` to go on after the last item, at the same cost however deep; null at the end."
    )


class _Envelope(msgspec.Struct, rename="camel"):
    """A `Listing` in its wire form, because a model of a thousand items takes longer to check than to find them."""

    data: list[Any]
    page: int | None
    limit: int
    size: int
    total_data: int
    total_pages: int
    total_is_estimate: bool
    next_cursor: str | None


class Paging:
    """The part of a list that a request asks for, and how the answer is put together.

    A list is read by one query in one fixed order: from `offset`, or after the key that `after()` returns, and one
    row more than `limit`, which says whether there are more.
    """

    def __init__(
        self,
        path: str,
        parameters: Sequence[tuple[str, str]],
        response: Response | None,
        *,
        limit: int,
        page: int | None,
        cursor: str | None,
    ) -> None:
        """`response` is the one whose headers `listing()` sets; `answer()` needs none."""
        self._response = response
        self._path = path
        self._filters = [(name, value) for name, value in parameters if name not in PAGING_PARAMETERS]
        self.limit = limit
        self.page = None if cursor is not None else page or 1
        self._key = None if cursor is None else decode_cursor(cursor, self._list_digest())

    @property
    def offset(self) -> int:
        """Items before the page; 0 with a cursor."""
        return (self.page - 1) * self.limit if self.page is not None else 0

    def after(self, key_type: type[Key]) -> Key | None:
        """The key of the item to go on after; None without a cursor. Raises `invalid_cursor`."""
        if self._key is None:
            return None
        try:
            key: Key = msgspec.convert(self._key, key_type)
        except msgspec.ValidationError:
            raise invalid_cursor() from None
        if not all(is_storable(part) for part in key if isinstance(part, datetime)):
            raise invalid_cursor()
        return key

    def listing(
        self,
        rows: Sequence[Row],
        total: Total,
        *,
        key: Callable[[Row], Key],
        item: Callable[[Row], Item],
        was_cut: bool = False,
    ) -> Listing[Item]:
        """The page of the rows that the query found, up to `limit + 1`. Sets `Link`.

        A query whose page was cut for its size has more rows than it gives.
        """
        assert self._response is not None  # noqa: S101 - only `plain_paging` has none, for routes that call `answer`
        envelope, links = self._envelope(rows, total, key, item, key(rows[-1]) if was_cut else None)
        self._response.headers["Link"] = links
        return Listing(**msgspec.structs.asdict(envelope))

    def answer(
        self,
        rows: Sequence[Row],
        total: Total,
        *,
        key: Callable[[Row], Key],
        item: Callable[[Row], Any] | None = None,
        resume_after: Key | None = None,
        max_bytes: int = MAX_PAGE_BYTES,
    ) -> Response:
        """The same for items in their wire form, as which rows without `item` are taken; encoded at once.

        A query that gave up before it had as many says after which key to resume. Items beyond `max_bytes` are left to
        the next page, but for the first.
        """
        envelope, links = self._envelope(rows, total, key, item, resume_after)
        response = json_response(envelope, headers={"Link": links})
        if len(response.body) > max_bytes and envelope.size > 1:
            fitting = _fitting(envelope.data, max_bytes)
            envelope, links = self._envelope(rows[:fitting], total, key, item, key(rows[fitting - 1]))
            response = json_response(envelope, headers={"Link": links})
        return response

    def _envelope(
        self,
        rows: Sequence[Row],
        total: Total,
        key: Callable[[Row], Key],
        item: Callable[[Row], Any] | None,
        resume_after: Key | None,
    ) -> tuple[_Envelope, str]:
        """With the `Link` header that belongs to it."""
        shown = rows[: self.limit]
        last = key(shown[-1]) if len(rows) > self.limit else resume_after
        next_cursor = None if last is None else encode_cursor(self._list_digest(), last)
        pages = -(-total.items // self.limit)
        envelope = _Envelope(
            data=list(shown) if item is None else [item(row) for row in shown],
            page=self.page,
            limit=self.limit,
            size=len(shown),
            total_data=total.items,
            total_pages=pages,
            total_is_estimate=total.is_estimate,
            next_cursor=next_cursor,
        )
        is_cut_short = len(rows) <= self.limit and resume_after is not None
        return envelope, self._links(next_cursor, None if total.is_estimate else pages, is_cut_short=is_cut_short)

    def _links(self, next_cursor: str | None, pages: int | None, *, is_cut_short: bool) -> str:
        """RFC 8288. No `last` where the number of pages is a guess, none but `first` and `next` with a cursor.

        After a page that was cut short comes the rest of it, to which no number leads.
        """
        targets: dict[str, tuple[str, int | str]] = {"first": ("page", 1)}
        if next_cursor is not None and (self.page is None or is_cut_short):
            targets["next"] = ("cursor", next_cursor)
        if self.page is not None:
            if self.page > 1:
                targets["prev"] = ("page", min(self.page - 1, max(pages, 1)) if pages is not None else self.page - 1)
            if next_cursor is not None and not is_cut_short:
                targets["next"] = ("page", self.page + 1)
            if pages is not None:
                targets["last"] = ("page", max(pages, 1))
        # Numbers and cursors need no quoting, which takes longer than all else here.
        filters = f"{urlencode(self._filters)}&" if self._filters else ""
        start = f"{self._path}?{filters}limit={self.limit}"
        return ", ".join(
            f'<{start}&{parameter}={value}>; rel="{relation}"' for relation, (parameter, value) in targets.items()
        )

    def _list_digest(self) -> str:
        """Names the list: a cursor is good for no other path, and for no other filters."""
        named = msgspec.json.encode([self._path, sorted(self._filters)])
        return hashlib.sha256(named).hexdigest()[:16]


async def _paging(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items a page.")] = DEFAULT_LIMIT,
    page: Annotated[int | None, Query(ge=1, le=MAX_PAGE, description="The page, from 1 (the default).")] = None,
    cursor: Annotated[
        str | None,
        Query(max_length=MAX_CURSOR_LENGTH, description="`nextCursor` of the page before. Not together with `page`."),
    ] = None,
) -> Paging:
    if page is not None and cursor is not None:
        both = {"type": "value_error", "loc": ("query", "cursor"), "msg": "Give either page or cursor, not both"}
        raise RequestValidationError([both])
    parameters = request.query_params.multi_items()
    return Paging(request.url.path, parameters, response, limit=limit, page=page, cursor=cursor)


PagingDep = Annotated[Paging, Depends(_paging)]


def plain_paging(path: str, parameters: Sequence[tuple[str, str]]) -> Paging | None:
    """The same without the framework, for parameters that are plainly right and `answer()`; None for all others."""
    given = dict(parameters)
    cursor = given.get("cursor")
    if len(given) < len(parameters) or ("page" in given and cursor is not None):
        return None
    limit = _number(given["limit"], MAX_LIMIT) if "limit" in given else DEFAULT_LIMIT
    page = _number(given["page"], MAX_PAGE) if "page" in given else 1
    if limit is None or page is None or len(cursor or "") > MAX_CURSOR_LENGTH:
        return None
    return Paging(path, parameters, None, limit=limit, page=page, cursor=cursor)


def _fitting(items: Sequence[Any], max_bytes: int) -> int:
    """How many of the items have so many bytes together; at least one."""
    size = 0
    for place, each in enumerate(items):
        size += len(msgspec.json.encode(each)) + 1
        if size > max_bytes:
            return max(1, place)
    return len(items)


def _number(text: str, most: int) -> int | None:
    """None for what is no number from 1 to `most`, in plain digits."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most))):
        return None
    number = int(text)
    return number if 1 <= number <= most else None
