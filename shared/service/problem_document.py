"""Problems over HTTP (RFC 9457) in the one form that every service answers; each keeps its own table of codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

MEDIA_TYPE: Final = "application/problem+json"


class StatusCode(StrEnum):
    """A service's table of codes: each member is its stable code, its HTTP status, and what it means."""

    status: int
    meaning: str

    def __new__(cls, code: str, status: int, meaning: str) -> StatusCode:
        member = str.__new__(cls, code)
        member._value_ = code
        member.status = status
        member.meaning = meaning
        return member


class ProblemDocument(BaseModel):
    """An error (RFC 9457). `code` is stable, and what a program should look at."""

    type: str = Field(
        description="Where the guide of this host says what the code means, and what to do.",
        examples=["/guide/codes#missing_columns"],
    )
    title: str = Field(examples=["The header lacks a column"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["No column for mobile_no was found."])
    instance: str = Field(examples=["/v1/employee-data-upload"])
    code: str = Field(examples=["missing_columns"])
    errors: list[dict[str, str]] | None = Field(
        None,
        description="Each culprit (`field` or `location`) with its own `detail`, where there are several.",
        examples=[[{"field": "mobile_no", "detail": "no column has this name or one that means it"}]],
    )


def address_of(code: str, root_path: str = "") -> str:
    """Of the code's paragraph in the guide, which the service that answers has at the same host."""
    return f"{root_path.rstrip('/')}/guide/codes#{code}"


def _root_path(request: Request) -> str:
    """Of the application. In a folder of files that it serves, `root_path` has the folder's address added."""
    return str(request.scope.get("app_root_path", request.scope.get("root_path", "")))


def problem_response(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """The answer, as `ProblemDocument` describes it. `more` are members of this code alone."""
    document: dict[str, Any] = {
        "type": address_of(code, _root_path(request)),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "code": code,
    }
    if errors:
        document["errors"] = [dict(each) for each in errors]
    return _ProblemResponse(document | dict(more or {}), status, headers, MEDIA_TYPE)


class _ProblemResponse(JSONResponse):
    def render(self, content: Any) -> bytes:
        # A detail may quote a name that the sender gave, and half of a surrogate pair in it is no character.
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def validation_errors(error: RequestValidationError) -> list[dict[str, str]]:
    """The place and reason of each mistake. Pydantic's `input` and `ctx` stay out, because they hold what was sent."""
    return [
        {"location": ".".join(str(part) for part in each["loc"]), "detail": str(each["msg"])} for each in error.errors()
    ]


def media_type_hint(request: Request, errors: Iterable[Mapping[str, str]]) -> str:
    """A sentence to add when something is wrong with the body and it was not sent as JSON, else nothing."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    says_json = media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    # curl says form data unless it is told otherwise.
    is_about_the_body = any(each["location"].startswith("body") for each in errors)
    return " Send JSON, with the header Content-Type: application/json." if is_about_the_body and not says_json else ""


def described_problems(
    problems: Iterable[tuple[int, str, str]], schema: Mapping[str, Any] | None = None
) -> dict[int | str, dict[str, Any]]:
    """A route's `responses=` in OpenAPI, from each problem's status, code and meaning.

    `schema` is that of `ProblemDocument`, or a reference to where the service's description has it.
    """
    schema = schema or ProblemDocument.model_json_schema()
    meanings: dict[int, list[str]] = {}
    for status, code, meaning in problems:
        meanings.setdefault(status, []).append(f"`{code}`: {meaning}")
    return {
        status: {"description": "; ".join(lines) + ".", "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, lines in meanings.items()
    }
