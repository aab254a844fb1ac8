"""Holds the Python client to the service's OpenAPI document."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

import rollcall
from rollcall import models
from rollcall.options import OPTION_NAMES

Json = dict[str, Any]

ASYNCHRONOUS: Final = (rollcall.AsyncClient, rollcall.AsyncQueue, rollcall.AsyncProducer, rollcall.AsyncConsumer)
SYNCHRONOUS: Final = (rollcall.Client, rollcall.Queue, rollcall.Producer, rollcall.Consumer)
# What a method calls otherwise than the service, and what it sees to by itself.
RENAMED: Final = {
    "upload_id": "upload",
    "uploadId": "upload",
    "searchTerm": "search",
    "left": "with_left",
    "start": "draft",
    "employee_data": "file",
    "if-match": "revision | attempt",
    "confirm": "employees_stay",
    "all": "everything",
    "messages": "payloads",
    "cid": "consumer_id",
    "id": "message_id",
    "visibilityTimeoutSeconds": "seconds",
}
BY_ITSELF: Final = {"limit", "page", "cursor", "last-event-id", "X-Receipt", "queue"}
# Documents whose struct is called otherwise, or that are no answers.
STRUCTS: Final = {"UploadDocument": "UploadFields", "Queue": "QueueState"}
NO_ANSWERS: Final = {"ProblemDocument", "RowCode"}


def operations(document: Json) -> dict[str, Json]:
    return {
        operation["operationId"]: operation for methods in document["paths"].values() for operation in methods.values()
    }


def methods(classes: tuple[type, ...]) -> dict[str, list[Callable[..., Any]]]:
    """By the operation that they say they are."""
    found: dict[str, list[Callable[..., Any]]] = defaultdict(list)
    for each in classes:
        for _, method in inspect.getmembers(each, inspect.isfunction):
            for operation in getattr(method, "__operations__", ()):
                found[operation].append(method)
    return found


def missing_parameters(document: Json, operation: Json, of_methods: list[Callable[..., Any]]) -> set[str]:
    """What can be said to the operation, and to none of its methods."""
    names = {name for method in of_methods for name in _parameters(method)}
    return {
        said
        for said in _sayable(document, operation)
        if said not in BY_ITSELF and names.isdisjoint({snake(said), *RENAMED.get(said, said).split(" | ")})
    }


def schema_differences(document: Json) -> Iterator[str]:
    """Fields of answers that are no attributes, and attributes that are no fields."""
    for name, schema in document["components"]["schemas"].items():
        if name in NO_ANSWERS or name in _said_schemas(document) or "properties" not in schema:
            continue
        struct = _struct(name)
        if struct is None:
            yield f"{name}: rollcall.models has no such struct"
            continue
        fields, attributes = set(schema["properties"]), {each.encode_name for each in msgspec.structs.fields(struct)}
        yield from (f"{name}.{field} is no attribute" for field in sorted(fields - attributes))
        yield from (f"{name}.{attribute} is no field" for attribute in sorted(attributes - fields))


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower().replace("-", "_")


def _struct(name: str) -> Any:
    if name.startswith("Listing_"):
        return models.Listing
    return getattr(models, STRUCTS.get(name, name.removesuffix("Document")), None)


def _parameters(method: Callable[..., Any]) -> Iterator[str]:
    for name, parameter in inspect.signature(method).parameters.items():
        yield from OPTION_NAMES if parameter.kind is inspect.Parameter.VAR_KEYWORD else (name,)


def _sayable(document: Json, operation: Json) -> Iterator[str]:
    yield from (parameter["name"] for parameter in operation.get("parameters", ()))
    for body in operation.get("requestBody", {}).get("content", {}).values():
        yield from _properties(document, body["schema"])


def _properties(document: Json, schema: Json) -> Iterator[str]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield from schema.get("properties", ())
    for each in schema.get("anyOf", ()):
        yield from _properties(document, each)


def _said_schemas(document: Json) -> set[str]:
    """Those of requests."""
    bodies = [operation["requestBody"] for operation in operations(document).values() if "requestBody" in operation]
    return set(re.findall(r"#/components/schemas/(\w+)", str(bodies)))
