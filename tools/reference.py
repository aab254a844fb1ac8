"""Writes into docs/api.md what the services say of themselves: `make reference`. A test holds the page to it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from unittest import mock

from api_service.app import create_app as create_api
from producer_service.app import create_app as create_producer
from shared.access.refusals import AccessCode

PAGE: Final = Path(__file__).parents[1] / "docs" / "api.md"
# Only described here, so that nothing of it has to be there.
_ENVIRONMENT: Final = {
    "ROLLCALL_DATABASE_URL": "postgresql://nobody@localhost/nothing",
    "ROLLCALL_AMQP_URL": "amqp://localhost/",
    "ROLLCALL_UPLOAD_STORE_URL": "file:///nowhere",
}
_ANSWERS: Final = frozenset({"UploadDocument"})
# The page says it once for all addresses.
_OF_ALL: Final = frozenset(
    {"invalid_request", "internal_error", "service_busy", "database_busy", "database_unavailable", *AccessCode}
)
_LARGEST_LIMIT: Final = 10**12
_PIPE: Final = "\\|"
_WORDS: Final = {"string": "text", "integer": "whole number", "boolean": "true or false", "null": "null"}

Schema = Mapping[str, Any]


def main() -> None:
    PAGE.write_text(written(PAGE.read_text()))


def written(page: str) -> str:
    """The page with each of its passages as the code has it now. Raises ValueError where it lacks one."""
    for name, text in passages().items():
        page = replaced(page, name, text)
    return page


def replaced(page: str, name: str, text: str) -> str:
    """The page with another text between the two comments. Raises ValueError where it lacks them."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    head, found_begin, rest = page.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the page has no passage between {begin} and {end}")
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"


def row(*cells: str) -> str:
    """Of a table; a bar in a cell is none between two."""
    return f"| {' | '.join(cell.replace('|', _PIPE) for cell in cells)} |"


def passages() -> dict[str, str]:
    """What is generated, by the name of its passage."""
    api, producer = descriptions()
    form = api["paths"]["/v1/employee-data-upload"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    upload = api["components"]["schemas"]["UploadDocument"]
    return {
        "form": _fields(form, api),
        "upload": _fields(upload, api),
        "bodies": "\n\n".join([*_bodies(api), *_bodies(producer)]),
        "addresses": "\n\n".join(_addresses(api)),
        "producer": _table(producer, [*_operations(producer)]),
    }


def descriptions() -> tuple[dict[str, Any], dict[str, Any]]:
    """The OpenAPI documents of the API and of the producer."""
    with mock.patch.dict(os.environ, _ENVIRONMENT):
        return create_api().openapi(), create_producer().openapi()


def _operations(api: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def _addresses(api: Schema) -> Iterator[str]:
    operations = list(_operations(api))
    for tag in dict.fromkeys(operation["tags"][0] for _, _, operation in operations):
        chosen = [each for each in operations if each[2]["tags"][0] == tag]
        yield f"### {tag[0].upper()}{tag[1:]}"
        yield _table(api, chosen)


def _table(api: Schema, operations: list[tuple[str, str, Schema]]) -> str:
    rows = ["| address | what it does | query and headers | errors |", "| --- | --- | --- | --- |"]
    for method, path, operation in operations:
        given = [f"`{each['name']}`" for each in operation.get("parameters", ()) if each["in"] != "path"]
        refusals = [answer["description"] for status, answer in operation["responses"].items() if status >= "400"]
        codes = sorted({*re.findall(r"`([a-z_]+)`: ", " ".join(refusals))} - _OF_ALL)
        errors = ", ".join(f"[`{code}`](codes.md#{code})" for code in codes)
        rows.append(row(f"`{method} {path}`", operation["summary"], ", ".join(given), errors))
    return "\n".join(rows)


def _bodies(api: Schema) -> Iterator[str]:
    """Each order with a body of JSON, and the fields of it."""
    for method, path, operation in _operations(api):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            yield f"#### {method} {path}"
            yield _fields(_resolved(content["application/json"]["schema"], api), api)


def _fields(schema: Schema, api: Schema) -> str:
    """A row each. `(needed)` are those of a request; an answer has all of its fields."""
    needed = schema.get("required", ()) if schema.get("title") not in _ANSWERS else ()
    rows = ["| field | is | default | what it says | such as |", "| --- | --- | --- | --- | --- |"]
    for name, field in schema["properties"].items():
        default = "(needed)" if name in needed else f"`{_as_text(field['default'])}`" if "default" in field else ""
        example = ", ".join(f"`{_as_text(each)}`" for each in field.get("examples", ())[:1])
        rows.append(row(f"`{name}`", _kind(field, api), default, field.get("description", ""), example))
    return "\n".join(rows)


def _kind(field: Schema, api: Schema) -> str:
    """What a value may be, in words."""
    field = _resolved(field, api) if "$ref" in field else field
    match field:
        case {"anyOf": kinds}:
            return " or ".join(_kind(kind, api) for kind in kinds)
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"format": "binary"}:
            return "a file"
        case {"type": "array", "items": items}:
            return f"list of {_kind(items, api)}{_bounds(field, 'minItems', 'maxItems')}"
        case {"type": "object"}:
            return "object"
        case {"type": str(kind)}:
            return f"{field.get('format') or _WORDS.get(kind, kind)}{_bounds(field, 'minimum', 'maximum')}"
        case _:
            return "any JSON"


def _bounds(field: Schema, least: str, most: str) -> str:
    low, high = field.get(least), field.get(most)
    # The largest number that a column holds is nobody's limit.
    high = None if high is not None and high > _LARGEST_LIMIT else high
    if low is None and high is None:
        return ""
    return f", {low or 0:,.0f} to {high:,.0f}" if high is not None else f", from {low:,.0f}"


def _resolved(schema: Schema, api: Schema) -> Schema:
    """The schema that is meant by a reference, or by the one of two that is not null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if "properties" not in schema and len(kinds) == 1:
        return _resolved(kinds[0], api)
    if "$ref" in schema:
        return _resolved(api["components"]["schemas"][schema["$ref"].rpartition("/")[2]], api)
    return schema


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    main()
