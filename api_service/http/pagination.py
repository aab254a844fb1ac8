"""The one form of every list: `page`, `limit` or `cursor` in; the envelope and its `Link` header out."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from api_service.http.json_model import JsonModel, json_response
from api_service.http.problems import Problem, ProblemCode

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 1000
# Keeps the offset, page times limit, far inside a bigint.
MAX_PAGE: Final = 1_000_000_000
MAX_CURSOR_LENGTH: Final = 1000
BIGINT_MAX: Final = 2**63 - 1

OWN_PARAMETERS: Final = frozenset({"page", "limit", "cursor"})

Item = TypeVar("Item")
Key = TypeVar("Key", bound=tuple[Any, ...])


class Total(NamedTuple):
    """How many items the whole list has, and whether that is a guess."""

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
    """A `Listing` on its way."""

    data: list[Any]
    page: int | None
    limit: int
    size: int
    total_data: int
    total_pages: int
    total_is_estimate: bool
    next_cursor: str | None


class Paging:
    """What part of a list a request asks for, and how the answer is put together.

    A list is read by one query in one fixed order: from `offset`, or after the key that `after()` returns, and one
    item more than `limit`, which says whether there are more.
    """

    def __init__(
        self,
        path: str,
        parameters: Sequence[tuple[str, str]],
        response: Response,
        *,
        limit: int,
        page: int | None,
        cursor: str | None,
    ) -> None:
        """`response` is the one whose headers `listing()` sets; `answer()` makes one of its own."""
        self._response = response
        self._path = path
        self._filters = [(name, value) for name, value in parameters if name not in OWN_PARAMETERS]
        self.limit = limit
        self.page = None if cursor is not None else page or 1
        self._key = None if cursor is None else _decode_cursor(cursor, self._list_digest())

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
            raise _invalid_cursor() from None
        return key

    def listing(
        self,
        found: Sequence[Item],
        keys: Sequence[tuple[Any, ...]],
        total: Total,
        *,
        resume_after: tuple[Any, ...] | None = None,
    ) -> Listing[Item]:
        """The envelope for what the query found: up to `limit + 1` items, and the key of each. Sets `Link`.

        A query that gave up before it had as many says after which key to resume.
        """
        if len(found) > self.limit:
            resume_after = keys[self.limit - 1]
        envelope, links = self._envelope(found[: self.limit], total, resume_after)
        self._response.headers["Link"] = links
        return Listing(**msgspec.structs.asdict(envelope))

    def answer(
        self,
        found: Sequence[Item],
        key: Callable[[Item], tuple[Any, ...]],
        total: Total,
        *,
        resume_after: tuple[Any, ...] | None = None,
    ) -> Response:
        """The same for items in their wire form, encoded at once."""
        if len(found) > self.limit:
            resume_after = key(found[self.limit - 1])
        envelope, links = self._envelope(found[: self.limit], total, resume_after)
        return json_response(envelope, {"Link": links})

    def _envelope(
        self, items: Sequence[Any], total: Total, resume_after: tuple[Any, ...] | None
    ) -> tuple["_Envelope", str]:
        """With the `Link` header that belongs to it."""
        next_cursor = None if resume_after is None else _encode_cursor(self._list_digest(), resume_after)
        pages = -(-total.items // self.limit)
        envelope = _Envelope(
            data=list(items),
            page=self.page,
            limit=self.limit,
            size=len(items),
            total_data=total.items,
            total_pages=pages,
            total_is_estimate=total.is_estimate,
            next_cursor=next_cursor,
        )
        return envelope, self._links(next_cursor, None if total.is_estimate else pages)

    def _links(self, next_cursor: str | None, pages: int | None) -> str:
        """RFC 8288. No `last` where the number of pages is a guess, none but `first` and `next` with a cursor."""
        targets: dict[str, tuple[str, int | str]] = {"first": ("page", 1)}
        if self.page is None:
            if next_cursor is not None:
                targets["next"] = ("cursor", next_cursor)
        else:
            if self.page > 1:
                targets["prev"] = ("page", min(self.page - 1, max(pages, 1)) if pages is not None else self.page - 1)
            if next_cursor is not None:
                targets["next"] = ("page", self.page + 1)
            if pages is not None:
                targets["last"] = ("page", max(pages, 1))
        # Numbers and cursors need no quoting.
        start = f"{self._path}?{urlencode([*self._filters, ('limit', self.limit)])}"
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


def plain_paging(path: str, parameters: Sequence[tuple[str, str]]) -> Paging | None:
    """The same without the framework, for parameters that are plainly right; None for all others."""
    given = dict(parameters)
    limit, page, cursor = given.get("limit", str(DEFAULT_LIMIT)), given.get("page", "1"), given.get("cursor")
    if len(given) < len(parameters) or ("page" in given and cursor is not None):
        return None
    if not (_is_number(limit, MAX_LIMIT) and _is_number(page, MAX_PAGE)) or len(cursor or "") > MAX_CURSOR_LENGTH:
        return None
    return Paging(path, parameters, Response(), limit=int(limit), page=int(page), cursor=cursor)


def _is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most


PagingParameters = Annotated[Paging, Depends(_paging)]


def _encode_cursor(list_digest: str, key: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([list_digest, *key])).rstrip(b"=").decode()


def _decode_cursor(cursor: str, list_digest: str) -> list[str | int]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        document = base64.b64decode(padded, altchars=b"-_", validate=True)
        digest, *key = msgspec.json.decode(document, type=list[str | int])
    except (UnicodeError, binascii.Error, msgspec.DecodeError, ValueError):
        raise _invalid_cursor() from None
    if digest != list_digest or any(isinstance(part, int) and not 0 <= part <= BIGINT_MAX for part in key):
        raise _invalid_cursor()
    return key


def _invalid_cursor() -> Problem:
    return Problem(
        ProblemCode.INVALID_CURSOR,
        "The cursor is not one of this list with these filters. Start again without it.",
    )
