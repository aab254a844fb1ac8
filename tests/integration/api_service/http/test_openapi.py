"""The API's own description: whole, and true to the form of its errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from api_service.app import create_app
from api_service.http.problems import FILE_MEANINGS, ProblemCode
from api_service.uploads.options import FIELD_NAMES as OPTION_FIELDS
from shared.errors import FileCode
from tests.support.api import api_settings

PROBES = {"/livez", "/readyz", "/metrics"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = api_settings("postgresql://a:b@localhost/c", "amqp://a:b@localhost/c", "file:///nowhere")
    return create_app(settings).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_has_a_summary_and_an_id_of_its_own(document: dict[str, Any]) -> None:
    found = dict(operations(document))
    assert "POST /v1/employee-data-upload" in found
    assert [name for name, operation in found.items() if not operation.get("summary")] == []
    ids = [operation["operationId"] for operation in found.values()]
    assert len(set(ids)) == len(ids)
    # FastAPI's own are made of the function and the path, and change with them.
    assert [each for each in ids if "_v1_" in each] == []


def test_every_operation_names_what_it_refuses(document: dict[str, Any]) -> None:
    without = [
        name
        for name, operation in operations(document)
        if name.partition(" ")[2] not in PROBES
        and (operation.get("parameters") or operation.get("requestBody"))
        and not any(status.startswith("4") for status in operation["responses"])
    ]
    assert without == []


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if status[0] in "45" and name.partition(" ")[2] not in PROBES:
                assert list(response["content"]) == ["application/problem+json"], (name, status)
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ProblemDocument"}
    assert "HTTPValidationError" not in str(document)
    assert "ProblemDocument" in document["components"]["schemas"]


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    found = set(re.findall(r"'\$ref': '([^']+)'", str(document)))
    assert "#/components/schemas/EncodingCandidate" in found
    assert found == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_upload_tells_of_every_option_and_of_the_candidates_for_an_unclear_encoding(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/employee-data-upload"]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert set(form) == {"employee_data", *OPTION_FIELDS}
    assert form["escape"]["enum"] == ["backslash"]
    assert (form["maxRejects"]["type"], form["maxRejects"]["minimum"]) == ("integer", 0)
    assert "`encoding_unclear`" in operation["responses"]["422"]["description"]
    candidates = document["components"]["schemas"]["ProblemDocument"]["properties"]["candidates"]
    assert candidates["anyOf"][0]["items"] == {"$ref": "#/components/schemas/EncodingCandidate"}


def test_every_code_has_a_meaning() -> None:
    assert set(FILE_MEANINGS) == set(FileCode)
    assert all(code.meaning and 400 <= code.status < 600 for code in ProblemCode)


def test_no_two_codes_share_a_name() -> None:
    assert not set(ProblemCode) & set(FileCode)
