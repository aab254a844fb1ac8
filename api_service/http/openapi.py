"""The API's description of itself: FastAPI's, with every error in the one form that it really has."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api_service.http.problems import ProblemCode, ProblemDocument, problem_responses
from shared.access.refusals import AccessCode
from shared.service.problem_document import described_problems

# Asked by machines that have no key.
OPEN_PATHS: Final = ("/livez", "/readyz")
_REFUSALS: Final = [(code.status, code.value, code.meaning) for code in AccessCode]


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
        _describe_access(document)
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


def _describe_access(document: dict[str, Any]) -> None:
    """As the layer before all routes refuses (`shared.access.layer`), where authentication is on."""
    scheme = {"type": "http", "scheme": "bearer", "description": "An API key, `rc_...`. None where it is off."}
    document["components"]["securitySchemes"] = {"key": scheme}
    schema = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path in OPEN_PATHS:
                continue
            operation["security"] = [{"key": []}]
            for status, described in described_problems(_REFUSALS, schema).items():
                of_route = operation["responses"].get(str(status))
                if of_route is not None:
                    described["description"] = f"{of_route['description']} {described['description']}"
                operation["responses"][str(status)] = described
