"""Requests that are right in form pass FastAPI's routing by; all others are left to it."""

from __future__ import annotations

import pytest
from starlette.routing import Match

from api_service.lease_queues.routes.messages import DIRECT_ROUTES

RECEIPT = "17-9ec5862decac4130857f7eeb48e8d5d5"


def endpoint_of(method: str, path: str) -> str | None:
    """The operation that takes the request directly."""
    scope = {"type": "http", "method": method, "path": path}
    taken = [found["route"].operation_id for _, found in (each.matches(scope) for each in DIRECT_ROUTES) if found]
    return str(taken[0]) if taken else None


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/v1/queues/emails/messages", "sendMessages"),
        ("POST", "/v1/queues/e-mails.v1_x/receive", "receiveMessages"),
        ("POST", "/v1/queues/emails/acknowledge", "acknowledgeMessages"),
        ("DELETE", f"/v1/queues/emails/messages/{RECEIPT}", "acknowledgeMessage"),
    ],
)
def test_what_makes_a_queues_throughput_is_taken_directly(method: str, path: str, operation: str) -> None:
    assert endpoint_of(method, path) == operation


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/queues/emails/messages"),
        ("DELETE", "/v1/queues/emails/messages"),
        ("OPTIONS", "/v1/queues/emails/messages"),
        ("HEAD", "/v1/queues/emails/messages"),
        ("PATCH", f"/v1/queues/emails/messages/{RECEIPT}"),
        ("POST", f"/v1/queues/{'n' * 81}/messages"),
        ("POST", "/v1/queues/no spaces/messages"),
        ("POST", "/v1/queues/./messages"),
        ("POST", "/v1/queues/../messages"),
        ("POST", "/v1/queues/two/levels/messages"),
        ("POST", "/v1/queues/emails/messages\n"),
        ("POST", "/v1/queues/emails/messages/"),
        ("DELETE", f"/v1/queues/emails/messages/{RECEIPT}0"),
        ("DELETE", "/v1/queues/emails/messages/17"),
        ("POST", "/prefix/v1/queues/emails/messages"),
    ],
)
def test_anything_else_is_left_to_the_declared_routes(method: str, path: str) -> None:
    assert endpoint_of(method, path) is None


def test_parameters_in_the_query_are_left_to_the_declared_routes() -> None:
    scope = {"type": "http", "method": "POST", "path": "/v1/queues/emails/messages", "query_string": b"x=1"}
    assert {each.matches(scope)[0] for each in DIRECT_ROUTES} == {Match.NONE}


def test_only_http_is_taken() -> None:
    scope = {"type": "websocket", "path": "/v1/queues/emails/messages"}
    assert {each.matches(scope)[0] for each in DIRECT_ROUTES} == {Match.NONE}
