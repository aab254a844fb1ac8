"""Reads the body of a request to a lease queue, within the limits that the settings give it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

from fastapi import Request

from api_service.http.json_request import held_json, read_json
from api_service.settings import ApiSettings

Body = TypeVar("Body")

# Of all bodies but those that carry payloads; a thousand receipts are a fifth of it.
PLAIN_BODY_BYTES: Final = 256 * 1024


async def read_body(request: Request, settings: ApiSettings, body_type: type[Body]) -> Body:
    """Raises what `read_json` raises."""
    return await read_json(
        request,
        body_type,
        max_bytes=min(settings.queue_max_body_bytes, PLAIN_BODY_BYTES),
        timeout_seconds=settings.body_timeout_seconds,
    )


def held_payloads(request: Request, settings: ApiSettings, body_type: type[Body]) -> AbstractAsyncContextManager[Body]:
    """For a body whose payloads are views into it: it is held as long as they are. Raises what `held_json` raises."""
    return held_json(
        request,
        body_type,
        max_bytes=settings.queue_max_body_bytes,
        timeout_seconds=settings.body_timeout_seconds,
    )
