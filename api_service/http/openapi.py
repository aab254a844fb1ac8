"""The API's description of itself: FastAPI's, with every error in the one form that it really has."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api_service.http.problems import ProblemCode, ProblemDocument, problem_responses
from shared.access.description import describe_access


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
        describe_access(document, {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"})
        _describe_parameters(document)
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


def _describe_parameters(document: dict[str, Any]) -> None:
    """FastAPI says of one that may be left out that it may be null, which nothing in an address or a header can be."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _never_null(parameter["schema"])
                # RFC 6585: the status says that the request has to have a condition.
                if parameter["name"].lower() == "if-match" and "428" in operation["responses"]:
                    parameter["required"] = True


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == len(schema.get("anyOf", ())):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}
