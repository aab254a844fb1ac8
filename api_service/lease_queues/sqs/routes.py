"""The addresses of the SQS endpoint: `POST /`, and a queue's own, to which some SDKs send."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final, NamedTuple, cast

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import Scope

from api_service.http.dependencies import FailpointsDep, SettingsDep
from api_service.http.direct_route import DirectRoute
from api_service.http.disconnect import cancel_on_disconnect
from api_service.http.problem_handlers import noted_problem
from api_service.http.problems import Problem, ProblemCode
from api_service.lease_queues.sqs import callers, json_protocol, query_protocol
from api_service.lease_queues.sqs.addresses import Addresses
from api_service.lease_queues.sqs.endpoint import Call, SqsEndpoint
from api_service.lease_queues.sqs.errors import SqsError
from api_service.lease_queues.sqs.json_protocol import TARGET_HEADER, TARGET_PREFIX
from api_service.lease_queues.sqs.operations import OPERATIONS, Operation
from api_service.settings import ApiSettings
from shared.service.request_body import held_body

# Bodies of these are read here, within limits of their own.
PATHS: Final = re.compile(r"/|/[0-9]+/[^/]+")

router = APIRouter(tags=["SQS"])


async def _endpoint(request: Request) -> SqsEndpoint:
    return cast("SqsEndpoint", request.app.state.sqs)


EndpointDep = Annotated[SqsEndpoint, Depends(_endpoint)]


@router.post("/", include_in_schema=False)
async def sqs(request: Request, endpoint: EndpointDep, settings: SettingsDep, failpoints: FailpointsDep) -> Response:
    is_json = TARGET_HEADER in request.headers
    if not is_json and not request.headers.get("content-type", "").startswith(query_protocol.FORM_TYPE):
        detail = "This is the SQS endpoint: name an operation in X-Amz-Target, as AWS SDKs do."
        raise Problem(ProblemCode.INVALID_REQUEST, detail)
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    answer_error = json_protocol.error_answer if is_json else query_protocol.error_answer
    try:
        name, document = await _run(request, endpoint, settings, _read_json if is_json else _read_query)
        failpoints.hit(f"api.sqs_done_{name}")
    except ClientDisconnect:
        raise
    except SqsError as error:
        return answer_error(error, request_id)
    except Exception as error:  # whatever it is, an SDK wants to be told in its own terms
        return answer_error(_as_sqs_error(noted_problem(request, error)), request_id)
    if is_json:
        return json_protocol.answer(document, request_id)
    return query_protocol.answer(name, document, request_id)


# Without a place in the OpenAPI document: an SDK has a model of it, and docs/sqs.md says the rest.
router.post("/{account:int}/{queue}", include_in_schema=False)(sqs)


class _Asked(NamedTuple):
    name: str
    operation: Operation
    parameters: object


async def _run(
    request: Request,
    endpoint: SqsEndpoint,
    settings: ApiSettings,
    read: Callable[[Request, bytearray], _Asked],
) -> tuple[str, dict[str, Any] | None]:
    claim = callers.claimed(request, settings)
    async with _body(request, settings) as content:
        call = Call(endpoint, _addresses(request, settings), callers.prove(claim, request, content, settings))
        name, operation, parameters = read(request, content)
        if name != "ReceiveMessage":
            return name, await operation.run(call, parameters)
    # A receiver holds no room for bodies while it waits, and one that has gone must not be leased what it waited for.
    return name, await cancel_on_disconnect(request, operation.run(call, parameters))


def _read_json(request: Request, content: bytearray) -> _Asked:
    target = request.headers[TARGET_HEADER]
    name = target.removeprefix(TARGET_PREFIX) if target.startswith(TARGET_PREFIX) else ""
    operation = _operation(name)
    return _Asked(name, operation, json_protocol.decode(content, operation.request_type))


def _read_query(request: Request, content: bytearray) -> _Asked:
    parameters = query_protocol.decode(content)
    name = str(parameters.get("Action", ""))
    operation = _operation(name)
    return _Asked(name, operation, query_protocol.request(parameters, operation.request_type, request.url.path))


def _operation(name: str) -> Operation:
    if name not in OPERATIONS:
        raise SqsError("UnknownOperationException", "The operation is none of SQS's.")
    return OPERATIONS[name]


def _body(request: Request, settings: ApiSettings) -> AbstractAsyncContextManager[bytearray]:
    room = request.app.state.memory.bodies
    return held_body(
        request, room, max_bytes=settings.queue_max_body_bytes, timeout_seconds=settings.body_timeout_seconds
    )


def _addresses(request: Request, settings: ApiSettings) -> Addresses:
    base = settings.sqs_url or f"{request.url.scheme}://{request.headers.get('host', 'localhost')}"
    return Addresses(base.rstrip("/"), settings.sqs_account_id, settings.sqs_region)


def _as_sqs_error(problem: Problem) -> SqsError:
    match problem.status:
        case 408:
            return SqsError("RequestTimeout", problem.detail, status=408)
        case 413:
            return SqsError("RequestEntityTooLarge", problem.detail, status=413)
        case status if status == 503:
            return SqsError("ServiceUnavailable", problem.detail, status=503)
        case status if status >= 500:
            return SqsError("InternalFailure", problem.detail, status=500)
        case _:
            return SqsError("InvalidParameterValue", problem.detail)


def _is_plain(scope: Scope) -> dict[str, object] | None:
    is_sqs = any(name == b"x-amz-target" for name, _ in scope["headers"])
    return {} if scope["path"] == "/" and is_sqs and not scope.get("query_string") else None


DIRECT_ROUTES: list[BaseRoute] = [
    DirectRoute(route, _is_plain) for route in router.routes if isinstance(route, APIRoute) and route.path == "/"
]
