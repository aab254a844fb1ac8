"""Turns the payloads of a request into messages of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from api_service.http.problems import Problem, ProblemCode
from api_service.lease_queues.messages import MAX_PAYLOAD_BYTES, NewMessage
from shared.database.engine import is_row_fault
from shared.service.request_body import invalid_body

if TYPE_CHECKING:
    from api_service.lease_queues.lease_queues import LeaseQueues
    from api_service.lease_queues.routes.documents import NewMessageBody


async def send_payloads(queues: LeaseQueues, queue: str, given: Sequence[NewMessageBody]) -> Sequence[int]:
    """The messages' ids. Raises `too_large`, or a validation error, and then nothing was sent."""
    messages = [_new_message(each) for each in given]
    try:
        return await queues.send(queue, messages)
    except DBAPIError as error:
        if is_row_fault(error):
            raise invalid_body("A payload is not JSON") from None
        raise


def _new_message(given: NewMessageBody) -> NewMessage:
    content = memoryview(given.payload)
    if len(content) > MAX_PAYLOAD_BYTES:
        raise Problem(ProblemCode.TOO_LARGE, f"A payload has at most {MAX_PAYLOAD_BYTES} bytes: send where to find it.")
    try:
        str(content, "utf-8")
    except UnicodeDecodeError:
        raise invalid_body("A payload is not UTF-8") from None
    return NewMessage(content, len(content), given.delay_seconds)
