"""Turns the payloads of a request into messages of a queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy.exc import DBAPIError

from api_service.http.moment import EARLIEST
from api_service.http.problems import Problem, ProblemCode
from api_service.lease_queues.messages import MAX_DELAY_SECONDS, MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, NewMessage
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
    headers = _headers(given)
    return NewMessage(
        content,
        len(content) + len(headers or b""),
        given.delay_seconds or 0,
        _delivery_time(given),
        given.group_id,
        given.priority or 0,
        None if headers is None else headers.decode(),
        given.deduplication_id,
    )


def _headers(given: NewMessageBody) -> bytes | None:
    if given.headers is None:
        return None
    headers = msgspec.json.encode(given.headers)
    if len(headers) > MAX_HEADER_BYTES:
        detail = f"A message's headers have at most {MAX_HEADER_BYTES} bytes in all: put the rest into its payload."
        raise Problem(ProblemCode.TOO_LARGE, detail)
    return headers


def _delivery_time(given: NewMessageBody) -> datetime | None:
    if given.group_id is not None and (given.delay_seconds or given.deliver_at is not None):
        raise invalid_body("A message of a group takes its turn: leave delaySeconds and deliverAt out")
    if given.deliver_at is None:
        return None
    if given.delay_seconds is not None:
        raise invalid_body("Give either delaySeconds or deliverAt")
    if given.deliver_at > datetime.now(UTC) + timedelta(seconds=MAX_DELAY_SECONDS):
        raise invalid_body("deliverAt is at most 90 days from now")
    # Long ago is now.
    return max(given.deliver_at, EARLIEST)
