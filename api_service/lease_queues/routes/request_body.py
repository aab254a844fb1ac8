"""Reads the body of a request to a lease queue, within the limits that the settings give it."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request

from api_service.http.json_request import read_json
from api_service.settings import ApiSettings

Body = TypeVar("Body")


async def read_body(request: Request, settings: ApiSettings, body_type: type[Body]) -> Body:
    """Raises what `read_json` raises."""
    return await read_json(
        request,
        body_type,
        max_bytes=settings.queue_max_body_bytes,
        timeout_seconds=settings.body_timeout_seconds,
    )
