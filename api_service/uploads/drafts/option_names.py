"""The options of an upload as a draft's change has them in its body, and a sample in its query."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import ConfigDict, Field

from api_service.http.json_model import JsonModel
from shared.duplicate_mode import DuplicateMode


class ChangedOptions(JsonModel):
    """What is said anew; null takes an option back, and what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    on_duplicate: DuplicateMode | None = None
    delimiter: str | None = Field(None, examples=[";"])
    encoding: str | None = Field(None, examples=["cp1250"])
    header: Literal["auto", "present", "absent"] | None = None
    header_line: int | None = Field(None, examples=[4])
    mapping: dict[str, str | list[str]] | None = Field(None, examples=[{"mobile_no": "Cell"}])
    columns: str | list[str] | None = Field(None, examples=["-,email,first name,last name,mobile_no,company_name"])
    optional: str | list[str] | None = Field(None, examples=["mobile_no,company_name"])
    escape: Literal["backslash"] | None = None
    sheet: str | int | None = Field(None, examples=["Staff"])
    max_rejects: int | None = Field(None, examples=[100])
    absent: Literal["deactivate"] | None = None
    absent_scope: str | None = Field(None, examples=["Initech"])
    absent_at_most: str | int | None = Field(None, examples=["10%"])

    def given(self) -> dict[str, Any]:
        """By the names of the form, without those that were left out."""
        return self.model_dump(by_alias=True, exclude_unset=True)


_Option = Annotated[str | None, Query(description="As the form of an upload has it; empty takes it back.")]


async def _tried_options(
    on_duplicate: Annotated[_Option, Query(alias="onDuplicate")] = None,
    delimiter: _Option = None,
    encoding: _Option = None,
    header: _Option = None,
    header_line: Annotated[_Option, Query(alias="headerLine")] = None,
    mapping: _Option = None,
    columns: _Option = None,
    optional: _Option = None,
    escape: _Option = None,
    sheet: _Option = None,
    max_rejects: Annotated[_Option, Query(alias="maxRejects")] = None,
    absent: _Option = None,
    absent_scope: Annotated[_Option, Query(alias="absentScope")] = None,
    absent_at_most: Annotated[_Option, Query(alias="absentAtMost")] = None,
) -> dict[str, str]:
    given = {
        "onDuplicate": on_duplicate,
        "delimiter": delimiter,
        "encoding": encoding,
        "header": header,
        "headerLine": header_line,
        "mapping": mapping,
        "columns": columns,
        "optional": optional,
        "escape": escape,
        "sheet": sheet,
        "maxRejects": max_rejects,
        "absent": absent,
        "absentScope": absent_scope,
        "absentAtMost": absent_at_most,
    }
    return {name: value for name, value in given.items() if value is not None}


TriedOptionsDep = Annotated[dict[str, str], Depends(_tried_options)]
