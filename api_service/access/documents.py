"""Keys as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StrictBool
from sqlalchemy import Row

from api_service.http.json_model import JsonModel
from api_service.http.moment import Moment
from shared.access.callers import SCOPE_PATTERN

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@ -]{0,99}$"


class NewKey(JsonModel):
    """What a key is to be."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        pattern=NAME_PATTERN,
        description="Who it is. Keys of one name are one caller: make a second one to replace the first.",
        examples=["payroll"],
    )
    scopes: list[Annotated[str, Field(pattern=SCOPE_PATTERN)]] = Field(
        min_length=1,
        max_length=50,
        description="`read` (employees, uploads, reports), `upload` (send, and correct, cancel and undo what keys of "
        "this name have sent), `queues:<pattern>` (`*` stands for any text), `metrics`, or `admin` (all).",
        examples=[["read", "queues:payroll-*"]],
    )
    expires_at: Moment | None = Field(
        None, description="When it ends by itself; left out: never.", examples=["2027-11-30T00:00:00Z"]
    )
    aws: StrictBool = Field(
        False,
        description="Whether the answer is to have the pair with which AWS SDKs sign as this key, at the SQS endpoint.",
    )


class ApiKey(JsonModel):
    """A key, without its secret, which nobody has but its owner."""

    id: str = Field(examples=["4fJq0aZx81Lm"])
    name: str = Field(examples=["payroll"])
    scopes: list[str] = Field(examples=[["read", "queues:payroll-*"]])
    created_at: datetime
    created_by: str | None = Field(
        description="The name of the key that made it; of a person who signed in at the company's provider, the "
        "provider and what it calls that person. null: it was made by a command."
    )
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To a minute.")
    revoked_at: datetime | None


class AwsKeyPair(JsonModel):
    """What AWS SDKs sign with. It follows from the key's id and a secret of the server's, and ends with the key."""

    access_key_id: str = Field(description="The key's id.", examples=["4fJq0aZx81Lm"])
    secret_access_key: str = Field(description="It is stored nowhere.", examples=["x" * 43])


class CreatedKey(ApiKey):
    """A new key, with its text, which is shown this once."""

    key: str = Field(
        description="For `Authorization: Bearer`. It is stored nowhere.", examples=["rc_4fJq0aZx81Lm_" + "x" * 49]
    )
    aws: AwsKeyPair | None = Field(None, description="Null if it was not asked for.")


class OwnKey(JsonModel):
    """Who the caller is to this service."""

    authentication: bool = Field(description="False: the service asks nobody for a key, and everybody may do all.")
    id: str | None = Field(description="Of the key; null where authentication is off.", examples=["4fJq0aZx81Lm"])
    name: str | None = Field(examples=["payroll"])
    scopes: list[str] = Field(examples=[["read"]])


def key_document(row: Row[Any]) -> ApiKey:
    return ApiKey.model_validate(row, from_attributes=True)
