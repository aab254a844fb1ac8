"""A route that answers a browser: its errors are pages too, and what it changes is changed from our own pages alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from api_service.http.problem_handlers import noted_problem
from api_service.http.problems import Problem, ProblemCode, meaning_of
from api_service.web.own_api import Refused
from api_service.web.rendering import render

Answer = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """For `APIRouter(route_class=PageRoute)`."""

    def get_route_handler(self) -> Answer:
        answer = super().get_route_handler()

        async def answer_browser(request: Request) -> Response:
            try:
                if request.method == "POST":
                    _require_own_page(request)
                return await answer(request)
            except ClientDisconnect:
                raise
            except Refused as refusal:
                return _error_page(request, refusal.document)
            except Exception as error:  # whatever it is, somebody looks at it
                return _error_page(request, _as_document(noted_problem(request, error)))

        return answer_browser


def _require_own_page(request: Request) -> None:
    """A form elsewhere can post here with the rights of whoever looks at it; the browser says where it stands.

    What says nothing is no browser, and has no rights that are not its own. Raises `Problem`.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_foreign = site not in ("same-origin", "none")
    else:
        is_foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if is_foreign:
        raise Problem(ProblemCode.FOREIGN_PAGE, "Nothing was done. Open Rollcall's own page, and do it there.")


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
