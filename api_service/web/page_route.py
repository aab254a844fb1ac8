"""A route that answers a browser: its errors are pages too."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from api_service.http.problem_handlers import noted_problem
from api_service.http.problems import Problem, meaning_of
from api_service.web.own_api import Refused
from api_service.web.rendering import render
from shared.access.refusals import Refusal

Answer = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """For `APIRouter(route_class=PageRoute)`."""

    def get_route_handler(self) -> Answer:
        answer = super().get_route_handler()

        async def answer_browser(request: Request) -> Response:
            try:
                return await answer(request)
            except ClientDisconnect:
                raise
            except Refused as refusal:
                return _error_page(request, refusal.document)
            except Exception as error:  # whatever it is, somebody looks at it
                return _error_page(request, _as_document(noted_problem(request, error)))

        return answer_browser


def sign_in_address(request: Request) -> str:
    """From where the browser comes back to what it asked for; a form is not sent again."""
    if request.method != "GET":
        return "/sign-in"
    then = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?{urlencode({'then': then})}"


def answer_refusal(request: Request, refusal: Refusal) -> Response:
    """What the layer before all routes refuses, as a page (`shared.access.layer`)."""
    if refusal.code.status == 401:
        return RedirectResponse(sign_in_address(request), 303)
    return _error_page(
        request,
        {
            "code": refusal.code,
            "status": refusal.code.status,
            "title": refusal.code.meaning,
            "detail": refusal.detail,
            "errors": (),
        },
    )


def _as_document(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "status": problem.status,
        "title": meaning_of(problem.code),
        "detail": problem.detail,
        "errors": problem.errors,
    }


def _error_page(request: Request, document: Any) -> Response:
    # A form's own address shows nothing; what it changes is shown one step up.
    looked_at = request.url.path.rpartition("/")[0] or "/" if request.method == "POST" else request.url.path
    return render(request, "error.html", status=document["status"], problem=document, looked_at=looked_at)
