"""The base of every JSON body that the API takes or gives: camelCase on the wire, snake_case in the code."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Response
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class JsonModel(BaseModel):
    """Frozen. A field that keeps its snake_case on the wire (a CSV column) says so with an alias of its own."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True)


def json_response(document: Any, headers: Mapping[str, str] | None = None) -> Response:
    """What is in its wire form already, sent without a model's validation: for answers that have to be quick."""
    return Response(msgspec.json.encode(document), headers=headers, media_type="application/json")
