"""`POST /v1/requests` takes messages over HTTP; a consumer answers each of them through the broker."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from producer_service.problems import ProblemCode, problem
from producer_service.requests.single_requests import Answer, SingleRequests
from shared.messages import EmployeeOutcome
from shared.rows.fields import FIELDS
from shared.service.problem_document import described_problems

MESSAGES_AT_MOST = 1000
# This bounds, as the row limit of an upload does, the memory that one message takes in a consumer.
CHARACTERS_AT_MOST = 64 * 1024

Cell = Annotated[str, StringConstraints(max_length=CHARACTERS_AT_MOST)]


_values: dict[str, Any] = {field.name: (Cell, "" if field.is_optional else ...) for field in FIELDS}
_EmployeeValues = create_model("_EmployeeValues", __config__=ConfigDict(extra="forbid"), **_values)


class EmployeeMessage(_EmployeeValues):
    """An employee to be inserted. Its values are checked by the consumer, and a bad one comes back as a rejection."""


class Requests(BaseModel):
    messages: Annotated[list[Cell | EmployeeMessage], Field(min_length=1, max_length=MESSAGES_AT_MOST)]

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "messages": [
                    "hello",
                    {field.name: field.example for field in FIELDS},
                ]
            }
        }
    )


def request_router(requests: SingleRequests) -> APIRouter:
    router = APIRouter(tags=["requests"])

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
                    (422, ProblemCode.INVALID_REQUEST, "the body is not as described"),
                    (504, ProblemCode.NO_REPLY, "some answers did not come in time; those that did are in `responses`"),
                ]
            ),
        },
    )
    async def post_requests(body: Requests, request: Request) -> Response:
        asked = [message if isinstance(message, str) else message.model_dump() for message in body.messages]
        answers = await requests.ask_all(asked)
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


def _document(answer: Answer) -> dict[str, Any]:
    response = answer.response
    return {
        "correlationId": str(answer.correlation_id),
        "response": msgspec.to_builtins(response) if isinstance(response, EmployeeOutcome) else response,
        "latencyMs": round(answer.latency_seconds * 1000, 2),
    }
