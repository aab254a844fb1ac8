"""JSON bodies read as msgspec structs: bounded while they arrive, decoded once, described in OpenAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from api_service.http.problems import Problem, ProblemCode
from api_service.settings import ApiSettings

Body = TypeVar("Body")


async def read_json(request: Request, settings: ApiSettings, body_type: type[Body]) -> Body:
    """Raises `too_large`, `body_timeout`, and a validation error that says where, never what."""
    content = await _read(request, settings)
    try:
        # Empty is the same as an object without fields.
        return msgspec.json.decode(content or b"{}", type=body_type)
    except msgspec.DecodeError as error:
        raise invalid_body(str(error)) from None
    except UnicodeDecodeError:
        raise invalid_body("The body is not UTF-8") from None
    except RecursionError:
        raise invalid_body("The body is nested too deep") from None


def json_response(document: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """For answers whose making shows in the throughput, and those that hold JSON which stays as it is."""
    return Response(msgspec.json.encode(document), status_code, headers, "application/json")


def invalid_body(reason: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": reason}])


def described_body(body_type: Any, *, required: bool = True) -> dict[str, Any]:
    """A route's `openapi_extra`."""
    (schema,), components = msgspec.json.schema_components([body_type], ref_template="{name}")
    content = {"application/json": {"schema": _without_references(schema, components)}}
    return {"requestBody": {"required": required, "content": content}}


async def _read(request: Request, settings: ApiSettings) -> bytes:
    most = settings.queue_max_body_bytes
    if int(request.headers.get("content-length", 0)) > most:
        raise _too_large(most)
    blocks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            async for block in request.stream():
                size += len(block)
                if size > most:
                    raise _too_large(most)
                blocks.append(block)
    except TimeoutError:
        raise Problem(ProblemCode.BODY_TIMEOUT, "The body took too long: send it again.") from None
    return b"".join(blocks)


def _too_large(most: int) -> Problem:
    return Problem(ProblemCode.TOO_LARGE, f"Send at most {most} bytes at once, in several requests if need be.")


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
