"""JSON bodies of requests read as msgspec structs: bounded while they arrive, decoded once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from fastapi import Request

from shared.service.request_body import decode_json, held_body

Body = TypeVar("Body")


@asynccontextmanager
async def held_json(
    request: Request, body_type: type[Body], *, max_bytes: int, timeout_seconds: float
) -> AsyncIterator[Body]:
    """A body that is worked on until the block ends, and has its room in memory for so long.

    Raises `BodyTooLarge`, `BodyTooSlow`, `BudgetSpent`, and a validation error that says where, never what.
    """
    room = request.app.state.memory.bodies
    async with held_body(request, room, max_bytes=max_bytes, timeout_seconds=timeout_seconds) as content:
        yield decode_json(content, body_type)


async def read_json(request: Request, body_type: type[Body], *, max_bytes: int, timeout_seconds: float) -> Body:
    """A body that is small when it is decoded. Raises what `held_json` raises."""
    async with held_json(request, body_type, max_bytes=max_bytes, timeout_seconds=timeout_seconds) as body:
        return body
