"""The producer's description of itself, with what is refused before its routes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from producer_service.problems import ProblemCode
from shared.access.description import describe_access
from shared.service.problem_document import described_problems


def describe(app: FastAPI) -> dict[str, Any]:
    """Made once an app; served at /openapi.json."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        invalid = ProblemCode.INVALID_REQUEST
        for operations in document["paths"].values():
            for operation in operations.values():
                # Parameters that an address does not know are refused, also where it knows none.
                for status, described in described_problems([(invalid.status, invalid, invalid.meaning)]).items():
                    operation["responses"].setdefault(str(status), described)
        describe_access(document)
        app.openapi_schema = document
    return app.openapi_schema
