"""Nothing that the service can do is out of the client's reach, and the client says nothing that it cannot."""

from __future__ import annotations

from typing import Any

import pytest

import rollcall
from api_service.app import create_app
from api_service.http.problems import ProblemCode, meaning_of
from rollcall.errors import Problem
from shared.access.refusals import AccessCode
from shared.errors import FileCode
from tests.support.api import api_settings
from tests.support.client_coverage import (
    ASYNCHRONOUS,
    SYNCHRONOUS,
    methods,
    missing_parameters,
    operations,
    schema_differences,
)

CODES = [*ProblemCode, *AccessCode, *FileCode]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(api_settings("postgresql://a:b@localhost/c", "amqp://a:b@localhost/c", "file:///tmp")).openapi()


@pytest.mark.parametrize("classes", [ASYNCHRONOUS, SYNCHRONOUS], ids=["asyncio", "sync"])
def test_every_operation_has_a_method_and_every_method_an_operation(
    document: dict[str, Any], classes: tuple[type, ...]
) -> None:
    # Whoever adds a route adds a method that is marked with `@calls("its operationId")` in client/rollcall/_async, and
    # then runs `python -m tools.sync_client`.
    assert set(methods(classes)) ^ set(operations(document)) == set()


def test_whatever_can_be_said_to_an_operation_can_be_said_to_its_method(document: dict[str, Any]) -> None:
    found = methods(ASYNCHRONOUS)
    missing = {
        name: parameters
        for name, operation in operations(document).items()
        if (parameters := missing_parameters(document, operation, found[name]))
    }
    assert missing == {}


def test_every_field_of_an_answer_is_an_attribute_and_every_attribute_a_field(document: dict[str, Any]) -> None:
    assert list(schema_differences(document)) == []


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_an_exception_of_its_own(code: ProblemCode | AccessCode | FileCode) -> None:
    status = 422 if isinstance(code, FileCode) else code.status
    problem = Problem.of(status, {"code": str(code), "detail": "Do this."})
    # Whoever adds a code adds a class to client/rollcall/problem_codes.py.
    assert type(problem).code == code, (
        f'class ...: """{code.meaning if isinstance(code, AccessCode) else meaning_of(code)}."""'
    )
    assert (str(problem), problem.code, problem.status) == ("Do this.", code, status)


def test_code_of_a_newer_service_is_an_exception_of_its_kind() -> None:
    kinds = {403: rollcall.NotAllowed, 404: rollcall.NotFound, 409: rollcall.Conflict, 503: rollcall.NotNow}
    assert {status: type(Problem.of(status, {"code": "of_tomorrow"})) for status in kinds} == kinds
    assert isinstance(rollcall.LeaseLost(409, {}), rollcall.Conflict)


def test_encoding_that_is_unclear_names_the_candidates() -> None:
    candidates = [{"encoding": "cp1250", "samples": ["Jiří"]}]
    problem = Problem.of(422, {"code": "encoding_unclear", "detail": "Choose.", "candidates": candidates})
    assert isinstance(problem, rollcall.UnclearEncoding)
    assert [(each.encoding, each.samples) for each in problem.candidates] == [("cp1250", ["Jiří"])]
