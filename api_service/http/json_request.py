"""JSON bodies of requests read as msgspec structs: bounded while they arrive, decoded once, described in OpenAPI."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from fastapi.exceptions import RequestValidationError

from api_service.http.problems import Problem, ProblemCode

Body = TypeVar("Body")


async def read_json(request: Request, body_type: type[Body], *, max_bytes: int, timeout_seconds: float) -> Body:
    """Raises `too_large`, `body_timeout`, and a validation error that says where, never what."""
    content = await _read_body(request, max_bytes, timeout_seconds)
    try:
        # Empty is the same as an object without fields.
        return msgspec.json.decode(content or b"{}", type=body_type)
    except msgspec.ValidationError as error:
        raise invalid_body(str(error)) from None
    except msgspec.DecodeError:
        raise invalid_body(_what_is_malformed(content, body_type)) from None
    except UnicodeDecodeError:
        raise invalid_body("The body is not UTF-8") from None
    except RecursionError:
        raise invalid_body("The body is nested too deep") from None


def _what_is_malformed(content: bytes, body_type: Any) -> str:
    """The decoder calls half a surrogate pair that stands at the very end a truncation: so more is put behind it."""
    try:
        msgspec.json.decode(content + b" " * len(rb"\ud800\udc00"), type=body_type)
    except msgspec.DecodeError as error:
        reason = str(error)
        if "surrogate" in reason or "unexpected end of hex escape" in reason:
            reason += ": half of a surrogate pair is no character"
        return reason
    return "Input data was truncated"


def invalid_body(reason: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": reason}])


def described_body(body_type: Any, *, required: bool = True) -> dict[str, Any]:
    """A route's `openapi_extra`."""
    (schema,), components = msgspec.json.schema_components([body_type], ref_template="{name}")
    content = {"application/json": {"schema": _without_references(schema, components)}}
    return {"requestBody": {"required": required, "content": content}}


async def _read_body(request: Request, max_bytes: int, timeout_seconds: float) -> bytes:
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise _too_large(max_bytes)
    blocks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_seconds):
            async for block in request.stream():
                size += len(block)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                blocks.append(block)
    except TimeoutError:
        raise Problem(ProblemCode.BODY_TIMEOUT, "The body took too long: send it again.") from None
    return b"".join(blocks)


def _too_large(max_bytes: int) -> Problem:
    return Problem(ProblemCode.TOO_LARGE, f"Send at most {max_bytes} bytes at once, in several requests if need be.")


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
