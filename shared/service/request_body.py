"""Reads the bodies of requests into memory: never more than is allowed, within a deadline, and from a budget.

HTTPException
├── BodyTooLarge   413, before it is held
└── BodyTooSlow    408
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.service.byte_budget import ByteBudget

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Body = TypeVar("Body")

SMALL_BYTES: Final = 64 * 1024


class BodyTooLarge(HTTPException):
    def __init__(self, max_bytes: int) -> None:
        super().__init__(413, f"Send at most {max_bytes} bytes at once, in several requests if need be.")


class BodyTooSlow(HTTPException):
    def __init__(self) -> None:
        super().__init__(408, "The body took too long: send it again.")


class BodyRoom:
    """The memory of one process for bodies and what is made of them: `weight` times a body's own bytes.

    Small bodies have room of their own, so that none waits for a large one that comes slowly.
    """

    def __init__(self, *, small_bytes: int, large_bytes: int, weight: int, wait_seconds: float) -> None:
        self.weight = weight
        self.small = ByteBudget(small_bytes, longest_line=1000, wait_seconds=wait_seconds)
        self.large = ByteBudget(large_bytes, longest_line=64, wait_seconds=wait_seconds)


@asynccontextmanager
async def held_body(
    request: Request, room: BodyRoom, *, max_bytes: int, timeout_seconds: float
) -> AsyncIterator[bytearray]:
    """The body, whose room is held until the block ends. Raises `BodyTooLarge`, `BodyTooSlow` and `BudgetSpent`."""
    declared = request.headers.get("content-length")
    length = None if declared is None else int(declared)
    if length is not None and length > max_bytes:
        raise BodyTooLarge(max_bytes)
    arriving = _ArrivingBody(request, max_bytes, timeout_seconds)
    if length is None or length <= SMALL_BYTES:
        async with room.small.holding((SMALL_BYTES if length is None else length) * room.weight):
            if await arriving.has_ended_within(SMALL_BYTES):
                yield arriving.content
                return
    async with room.large.holding((max_bytes if length is None else length) * room.weight):
        await arriving.has_ended_within(max_bytes)
        yield arriving.content


class _ArrivingBody:
    def __init__(self, request: Request, max_bytes: int, timeout_seconds: float) -> None:
        self._stream = request.stream()
        self._max_bytes = max_bytes
        self._seconds_left = timeout_seconds
        self.content = bytearray()

    async def has_ended_within(self, size: int) -> bool:
        """Read on until the body ends, or has more than `size` bytes. The deadline counts the time spent here."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            async with asyncio.timeout(self._seconds_left):
                async for block in self._stream:
                    self.content += block
                    if len(self.content) > self._max_bytes:
                        raise BodyTooLarge(self._max_bytes)
                    if len(self.content) > size:
                        return False
        except TimeoutError:
            raise BodyTooSlow from None
        finally:
            self._seconds_left -= clock() - begun
        return True


class BodyLimits:
    """For applications whose framework reads bodies by itself: caps them, and the time that they take.

    The routes below `own_limits`, and those whose path is one of `own_paths`, are left alone: they read their bodies
    themselves, within limits of their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        timeout_seconds: float,
        own_limits: tuple[str, ...] = (),
        own_paths: tuple[re.Pattern[str], ...] = (),
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._own_limits = own_limits
        # One look, at each request.
        self._own_path = re.compile("|".join(f"(?:{path.pattern})" for path in own_paths) or "(?!)")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._has_own_limits(scope["path"]):
            receive = self._limited(receive)
        await self._app(scope, receive, send)

    def _has_own_limits(self, path: str) -> bool:
        return path.startswith(self._own_limits) or self._own_path.fullmatch(path) is not None

    def _limited(self, receive: Receive) -> Receive:
        size = 0
        deadline: float | None = None

        async def limited() -> Message:
            nonlocal size, deadline
            if deadline is None:
                deadline = asyncio.get_running_loop().time() + self._timeout_seconds
            try:
                async with asyncio.timeout_at(deadline if deadline > 0 else None):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow from None
            size += len(message.get("body", b""))
            if size > self._max_bytes:
                raise BodyTooLarge(self._max_bytes)
            if not message.get("more_body", False):
                # What comes now is the client's end, which may take its time.
                deadline = 0.0
            return message

        return limited


def decode_json(content: bytes | bytearray, body_type: type[Body]) -> Body:
    """Raises a validation error that says where, never what. Empty is the same as an object without fields."""
    try:
        return msgspec.json.decode(content or b"{}", type=body_type)
    except msgspec.ValidationError as error:
        raise invalid_body(str(error)) from None
    except msgspec.DecodeError:
        raise invalid_body(_what_is_malformed(content, body_type)) from None
    except UnicodeDecodeError:
        raise invalid_body("The body is not UTF-8") from None
    except RecursionError:
        raise invalid_body("The body is nested too deep") from None


def invalid_body(reason: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": reason}])


def _what_is_malformed(content: bytes | bytearray, body_type: object) -> str:
    """The decoder calls half a surrogate pair that stands at the very end a truncation: so more is put behind it."""
    try:
        msgspec.json.decode(content + b" " * len(rb"\ud800\udc00"), type=body_type)
    except msgspec.DecodeError as error:
        reason = str(error)
        if "surrogate" in reason or "unexpected end of hex escape" in reason:
            reason += ": half of a surrogate pair is no character"
        return reason
    return "Input data was truncated"


def described_body(body_type: Any, *, required: bool = True) -> dict[str, Any]:
    """A route's `openapi_extra`."""
    (schema,), components = msgspec.json.schema_components([body_type], ref_template="{name}")
    content = {"application/json": {"schema": _without_references(schema, components)}}
    return {"requestBody": {"required": required, "content": content}}


def _without_references(schema: Any, components: dict[str, Any]) -> Any:
    """OpenAPI resolves references from the document's root, where these schemas are not."""
    match schema:
        case {"$ref": name}:
            return _without_references(components[name], components)
        case dict():
            return {key: _without_references(value, components) for key, value in schema.items()}
        case list():
            return [_without_references(value, components) for value in schema]
        case _:
            return schema
