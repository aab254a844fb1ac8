"""Says in a service's OpenAPI how the layer before all routes refuses, where authentication is on."""

from __future__ import annotations

from typing import Any, Final

from shared.access.refusals import AccessCode
from shared.service.problem_document import described_problems

# Asked by machines that have no key.
OPEN_PATHS: Final = ("/livez", "/readyz")
_SCHEME: Final = {"type": "http", "scheme": "bearer", "description": "An API key, `rc_...`. None where it is off."}
_REFUSALS: Final = [(code.status, code.value, code.meaning) for code in AccessCode]


def describe_access(document: dict[str, Any], schema: dict[str, Any] | None = None) -> None:
    """`schema` is that of the service's problems."""
    document.setdefault("components", {})["securitySchemes"] = {"key": _SCHEME}
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
