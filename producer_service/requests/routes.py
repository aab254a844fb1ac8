"""`POST /v1/requests` takes messages over HTTP; a consumer answers each of them through the broker."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from producer_service.problems import ProblemCode, problem
from producer_service.requests.single_requests import Answer, SingleRequests
from shared.messages import EmployeeOutcome
from shared.rows.fields import FIELDS
from shared.service.problem_document import described_problems, media_type_hint
from shared.service.request_body import BodyRoom, decode_json, described_body, held_body, invalid_body

MESSAGES_AT_MOST = 1000
# This bounds, as the row limit of an upload does, the memory that one message takes in a consumer.
CHARACTERS_AT_MOST = 64 * 1024
DEFAULT_MAX_BYTES = 2 * 1024 * 1024
BODY_SECONDS = 30
WAIT_SECONDS = 30
SMALL_ROOM_BYTES = 8 * 1024 * 1024
# A body, the messages that are made of it, and those of their answers, which may repeat them.
BODY_WEIGHT = 12

Text = Annotated[str, msgspec.Meta(max_length=CHARACTERS_AT_MOST)]
EmployeeBody = msgspec.defstruct(
    "EmployeeBody",
    [(field.name, Text, "") if field.is_optional else (field.name, Text) for field in FIELDS],
    forbid_unknown_fields=True,
    kw_only=True,
)


class RequestsBody(msgspec.Struct):
    messages: Annotated[list[Text | EmployeeBody], msgspec.Meta(min_length=1, max_length=MESSAGES_AT_MOST)]  # type: ignore[valid-type]  # it is made of the fields


EXAMPLE = {"messages": ["hello", {field.name: field.example for field in FIELDS}]}
DescribedBody = Annotated[RequestsBody, msgspec.Meta(extra_json_schema={"example": EXAMPLE})]


def request_router(requests: SingleRequests, *, max_bytes: int = DEFAULT_MAX_BYTES) -> APIRouter:
    router = APIRouter(tags=["requests"])
    room = request_room(max_bytes)

    @router.post(
        "/v1/requests",
        summary="Ask the consumers, and wait for their answers",
        operation_id="postRequests",
        responses={
            200: {
                "description": "Every answer, in the order of the messages",
                "content": {
                    "application/json": {
                        "example": {
                            "responses": [
                                {
                                    "correlationId": "0f6c2f4e-51f4-4d3e-9d0a-3a3a4c1d2b11",
                                    "response": "Consumer processed hello",
                                    "latencyMs": 4.2,
                                }
                            ]
                        }
                    }
                },
            },
            **described_problems(
                [
                    (408, ProblemCode.BODY_TIMEOUT, "the body came too slowly"),
                    (413, ProblemCode.TOO_LARGE, f"the body has more than {max_bytes} bytes"),
                    (422, ProblemCode.INVALID_REQUEST, "the body is not as described"),
                    (503, ProblemCode.SERVICE_BUSY, "too much is being asked at once"),
                    (504, ProblemCode.NO_REPLY, "some answers did not come in time; those that did are in `responses`"),
                ]
            ),
        },
        openapi_extra=described_body(DescribedBody),
    )
    async def post_requests(request: Request) -> Response:
        async with held_body(request, room, max_bytes=max_bytes, timeout_seconds=BODY_SECONDS) as content:
            asked = _asked(request, content)
            content.clear()
            return await _answered(request, asked)

    async def _answered(request: Request, asked: list[str | dict[str, str]]) -> Response:
        answers = await requests.ask_all(asked)
        asked.clear()
        documents = [_document(answer) for answer in answers]
        unanswered = sum(answer.response is None for answer in answers)
        if unanswered:
            return problem(
                request,
                ProblemCode.NO_REPLY,
                f"{unanswered} of {len(answers)} were not answered. An employee among them may still be inserted: "
                "ask again, and it comes back as a duplicate then.",
                more={"responses": documents},
            )
        return JSONResponse({"responses": documents})

    return router


def request_room(max_bytes: int) -> BodyRoom:
    """One of the largest at a time. In the worst case a body becomes a list of texts of two characters each."""
    return BodyRoom(
        small_bytes=SMALL_ROOM_BYTES, large_bytes=max_bytes * BODY_WEIGHT, weight=BODY_WEIGHT, wait_seconds=WAIT_SECONDS
    )


def _asked(request: Request, content: bytearray) -> list[str | dict[str, str]]:
    """Raises a validation error that says where, never what."""
    if media_type_hint(request, [{"location": "body"}]):
        raise invalid_body("The body was not sent as JSON")
    messages = decode_json(content, RequestsBody).messages
    return [message if isinstance(message, str) else msgspec.structs.asdict(message) for message in messages]


def _document(answer: Answer) -> dict[str, Any]:
    response = answer.response
    return {
        "correlationId": str(answer.correlation_id),
        "response": msgspec.to_builtins(response) if isinstance(response, EmployeeOutcome) else response,
        "latencyMs": round(answer.latency_seconds * 1000, 2),
    }
