"""The API's description of itself: FastAPI's, with every error in the one form that it really has."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api_service.http.problems import ProblemCode, ProblemDocument, problem_responses


def describe(app: FastAPI) -> dict[str, Any]:
    """Made once an app; served at /openapi.json."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        _describe_problems(document)
        app.openapi_schema = document
    return app.openapi_schema


def _describe_problems(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schema.pop("$defs")
    schemas[ProblemDocument.__name__] = schema
    invalid_request = problem_responses(ProblemCode.INVALID_REQUEST)[422]
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            # Parameters that an address does not know are refused, also where it knows none.
            if "422" not in responses or "HTTPValidationError" in str(responses["422"]):
                responses["422"] = invalid_request
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
