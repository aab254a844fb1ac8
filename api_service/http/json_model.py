"""The base of the JSON bodies that pydantic checks: camelCase on the wire, snake_case in the code."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class JsonModel(BaseModel):
    """Frozen. A field that keeps its snake_case on the wire (a CSV column) says so with an alias of its own."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True)
