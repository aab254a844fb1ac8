"""boto3 as a client of an SQS endpoint, each of whose answers is held to botocore's own model of SQS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

# What SQS answers beside the errors of its model (Common Errors in its API reference, and the JSON protocol's own).
COMMON_ERRORS = frozenset(
    {
        "InvalidParameterValue",
        "MissingParameter",
        "SerializationException",
        "UnknownOperationException",
        "ServiceUnavailable",
        "InternalFailure",
        "RequestEntityTooLarge",
        "AccessDenied",
        "InvalidClientTokenId",
        # Of ReceiveMessage the model does not list it, and AWS answers it.
        "InvalidAttributeName",
    }
)

Json = dict[str, Any]


def sqs_client(address: str, *, attempts: int = 1) -> Any:
    """A client whose calls fail with an AssertionError where an answer is not what the model says."""
    client = boto3.client(
        "sqs",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            retries={"total_max_attempts": attempts}, max_pool_connections=32, read_timeout=60, connect_timeout=10
        ),
    )
    client.meta.events.register("before-parse.sqs", _check_answer)
    return client


class Sqs:
    """The client for tests whose API runs in their own loop: each call is made in a thread."""

    def __init__(self, address: str) -> None:
        self.client = sqs_client(address)

    async def __call__(self, operation: str, **parameters: Any) -> Json:
        method: Callable[..., Json] = getattr(self.client, operation)
        answer = await asyncio.to_thread(method, **parameters)
        answer.pop("ResponseMetadata")
        return answer

    async def refused(self, operation: str, **parameters: Any) -> str:
        """The code that a program sees of the error."""
        with pytest.raises(ClientError) as caught:
            await self(operation, **parameters)
        return str(caught.value.response["Error"]["Code"])

    async def queue(self, name: str, **attributes: str) -> str:
        """The URL of a new queue."""
        return str((await self("create_queue", QueueName=name, Attributes=attributes))["QueueUrl"])

    async def receive(self, url: str, limit: int = 10, **parameters: Any) -> list[Json]:
        answer = await self("receive_message", QueueUrl=url, MaxNumberOfMessages=limit, **parameters)
        return list(answer.get("Messages", ()))

    async def bodies(self, url: str, limit: int = 10, **parameters: Any) -> list[str]:
        return [message["Body"] for message in await self.receive(url, limit, **parameters)]


def _check_answer(operation_model: Any, response_dict: Json, **_: Any) -> None:
    body = json.loads(response_dict["body"] or b"{}")
    headers = response_dict["headers"]
    assert headers["content-type"] == "application/x-amz-json-1.0", headers
    assert headers["x-amzn-RequestId"], headers
    if response_dict["status_code"] == 200:
        violations = list(_violations(operation_model.output_shape, body, operation_model.name))
        assert not violations, violations
        return
    assert set(body) == {"__type", "message"}, body
    code = body["__type"].removeprefix("com.amazonaws.sqs#")
    assert code in COMMON_ERRORS | {shape.name for shape in operation_model.error_shapes}, (operation_model.name, body)
    assert body["message"]
    assert headers["x-amzn-query-error"].endswith((";Sender", ";Receiver"))


def _violations(shape: Any, value: Any, where: str) -> Any:
    """What is not as the model says, down to the last member."""
    if shape is None:
        if value != {}:
            yield f"{where}: something, where the model has nothing"
    elif shape.type_name == "structure":
        yield from _structure_violations(shape, value, where)
    elif shape.type_name == "list":
        if not isinstance(value, list):
            yield f"{where}: no list"
        for number, item in enumerate(value):
            yield from _violations(shape.member, item, f"{where}[{number}]")
    elif shape.type_name == "map":
        names = shape.key.enum
        for key, item in value.items():
            if names and key not in names:
                yield f"{where}: {key} is no name of {shape.key.name}"
            yield from _violations(shape.value, item, f"{where}.{key}")
    else:
        kind = {"string": str, "blob": str, "boolean": bool, "integer": int, "long": int}[shape.type_name]
        if type(value) is not kind:
            yield f"{where}: {value!r} is no {shape.type_name}"


def _structure_violations(shape: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        yield f"{where}: no object"
        return
    wire_names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    for name in shape.required_members:
        if name not in value:
            yield f"{where}: {name} is missing"
    for name, item in value.items():
        if name not in wire_names:
            yield f"{where}: {name} is not of the model"
        else:
            yield from _violations(wire_names[name], item, f"{where}.{name}")
