"""AWS JSON 1.0: the operation in a header, its parameters as a JSON object, and errors by type."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Response

from api_service.lease_queues.sqs.errors import SqsError, missing_parameter

TARGET_HEADER: Final = "x-amz-target"
TARGET_PREFIX: Final = "AmazonSQS."
MEDIA_TYPE: Final = "application/x-amz-json-1.0"
_missing_field = re.compile(r"Object missing required field `(\w+)`")

Body = TypeVar("Body")


def decode(content: bytes | bytearray, request_type: type[Body]) -> Body:
    """Raises `SqsError`, whose text says where something is wrong, never what was there."""
    try:
        return msgspec.json.decode(content or b"{}", type=request_type)
    except msgspec.ValidationError as error:
        raise refused(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise SqsError("SerializationException", "The body is no JSON object in UTF-8.") from None


def refused(error: msgspec.ValidationError) -> SqsError:
    missing = _missing_field.match(str(error))
    return missing_parameter(missing[1]) if missing else SqsError("SerializationException", str(error))


def answer(document: dict[str, Any] | None, request_id: str) -> Response:
    return _response(document or {}, 200, request_id, {})


def error_answer(error: SqsError, request_id: str) -> Response:
    fault = "Sender" if error.is_senders_fault else "Receiver"
    headers = {"x-amzn-query-error": f"{error.query_code};{fault}"}
    document = {"__type": f"com.amazonaws.sqs#{error.code}", "message": error.message}
    return _response(document, error.status, request_id, headers)


def _response(document: object, status: int, request_id: str, headers: dict[str, str]) -> Response:
    return Response(
        msgspec.json.encode(document), status, {"x-amzn-RequestId": request_id, **headers}, media_type=MEDIA_TYPE
    )
