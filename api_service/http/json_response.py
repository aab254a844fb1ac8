"""JSON answers that are in their wire form already, sent without a model's validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Response


def json_response(document: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """For answers whose making shows in the throughput, and those that hold JSON which stays as it is."""
    return Response(msgspec.json.encode(document), status_code, headers, "application/json")
