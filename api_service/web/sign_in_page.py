"""Signing in with a key, and out again."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.access.sessions import LASTS, begin_session, end_session
from api_service.http.problems import ProblemCode
from api_service.web.page_route import PageRoute
from api_service.web.rendering import first_page_for, render
from shared.access.callers import SCOPE_KEY, caller_in
from shared.access.key_directory import KeyDirectory, KeysUnknown
from shared.access.layer import SESSION_COOKIE
from shared.access.refusals import AccessCode
from shared.access.tokens import KEY, is_damaged

router = APIRouter(route_class=PageRoute, include_in_schema=False)

# An address of this service: `//elsewhere` and `/\elsewhere` are others' to a browser.
_OWN_ADDRESS: Final = re.compile(r"/(?![/\\])[\x21-\x7e]*")


@router.get("/sign-in")
async def show_sign_in(request: Request, then: str = "") -> Response:
    if request.app.state.keys is None:
        return RedirectResponse("/", 303)
    return sign_in_page(request, then)


@router.get("/account")
async def show_account(request: Request) -> Response:
    return render(request, "account.html")


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    form = await request.form()
    text, then = str(form.get("key", "")).strip(), str(form.get("then", ""))
    keys = cast("KeyDirectory | None", request.app.state.keys)
    if keys is None:
        return RedirectResponse("/", 303)
    try:
        caller = keys.find(text, KEY)
    except KeysUnknown:
        wrong = "Keys cannot be checked just now: try again shortly."
        return sign_in_page(request, then, code=AccessCode.KEYS_UNKNOWN, wrong=wrong)
    if caller is None:
        wrong = (
            "That is no key: it was cut off or mistyped."
            if is_damaged(text)
            else "This key is unknown, was revoked, or is past its time."
        )
        return sign_in_page(request, then, status=403, code=AccessCode.KEY_NOT_VALID, wrong=wrong)
    async with _engine(request).begin() as connection:
        session = await begin_session(connection, str(caller.key_id))
    await keys.reread()
    # For the audit: from here on it is known who it is.
    request.scope[SCOPE_KEY] = caller
    answer = RedirectResponse(then if is_own_address(then) else first_page_for(caller), 303)
    answer.set_cookie(SESSION_COOKIE, session.text, max_age=int(LASTS.total_seconds()), **session_cookie(request))
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Of this session, in every process: whoever copied its cookie is out, too."""
    caller, keys = caller_in(request.scope), cast("KeyDirectory | None", request.app.state.keys)
    if caller.session_id is not None and keys is not None:
        async with _engine(request).begin() as connection:
            await end_session(connection, caller.session_id)
        await keys.reread()
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(SESSION_COOKIE, **session_cookie(request))
    return answer


def sign_in_page(
    request: Request,
    then: str,
    *,
    status: int | None = None,
    code: AccessCode | ProblemCode | None = None,
    wrong: str | None = None,
) -> Response:
    """With what is wrong, under the status of its code unless another is given."""
    problem = None if code is None else {"code": code, "title": "Not signed in", "detail": wrong}
    shown_status = status or (200 if code is None else code.status)
    # By the address that the provider leads back to, because cookies belong to a name.
    provider = request.app.state.settings.public_url if request.app.state.provider is not None else None
    return render(request, "sign_in.html", status=shown_status, then=then, problem=problem, provider=provider)


def is_own_address(then: str) -> bool:
    return _OWN_ADDRESS.fullmatch(then) is not None


def session_cookie(request: Request) -> dict[str, Any]:
    """No script reads it, no page elsewhere sends it, and where there is TLS nothing without TLS does."""
    return {"path": "/", "httponly": True, "samesite": "strict", "secure": request.url.scheme == "https"}


def _engine(request: Request) -> AsyncEngine:
    return cast("AsyncEngine", request.app.state.engine)
