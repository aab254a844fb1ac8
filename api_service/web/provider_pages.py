"""Signing in with an account of the company's: to its OpenID provider and back (the code flow, with PKCE)."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, Final, cast

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.access import people
from api_service.access.oidc import attempt as attempts
from api_service.access.oidc.errors import ProviderUnavailable, SignInFailed, SignInRefused
from api_service.access.oidc.person import NoGroup, person_in
from api_service.access.sessions import begin_session
from api_service.http.problems import ProblemCode
from api_service.settings import ApiSettings
from api_service.web.page_route import PageRoute
from api_service.web.rendering import first_page_for, render
from api_service.web.sign_in_page import is_own_address, session_cookie, sign_in_page
from shared.access.callers import SCOPE_KEY, Caller
from shared.access.layer import SESSION_COOKIE

log = structlog.get_logger(__name__)


class AnswerRoute(PageRoute):
    """A provider may add to its answer what it likes, and that is to be ignored (RFC 6749, 4.1.2)."""

    ignores_unknown_parameters = True


router = APIRouter(route_class=PageRoute, include_in_schema=False)

ANSWER_PATH: Final = "/sign-in/provider/answer"
_BEGIN_AGAIN: Final = "This sign-in did not begin in this browser, or took too long: begin again."


@router.get("/sign-in/provider")
async def begin_sign_in(request: Request, then: str = "") -> Response:
    if request.app.state.provider is None:
        return RedirectResponse("/sign-in", 303)
    settings: ApiSettings = request.app.state.settings
    attempt = attempts.begin(then if is_own_address(then) else "", now=time.time())
    try:
        address = await request.app.state.provider.address_to_sign_in(attempt)
    except SignInFailed as failed:
        return _failed(request, failed, then)
    answer = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
    sealed = attempts.sealed(attempt, settings.oidc_client_secret.get_secret_value())
    answer.set_cookie(_cookie_name(settings), sealed, max_age=int(attempts.SECONDS), **_cookie(settings))
    return answer


async def end_sign_in(request: Request) -> Response:
    if request.app.state.provider is None:
        return RedirectResponse("/sign-in", 303)
    settings: ApiSettings = request.app.state.settings
    secret = settings.oidc_client_secret.get_secret_value()
    attempt = attempts.opened(request.cookies.get(_cookie_name(settings), ""), secret, now=time.time())
    try:
        if attempt is None or request.query_params.get("state") != attempt.state:
            raise SignInRefused(_BEGIN_AGAIN)
        answer = await _signed_in(request, attempt)
    except SignInFailed as failed:
        answer = _failed(request, failed, "" if attempt is None else attempt.then)
    answer.delete_cookie(_cookie_name(settings), **_cookie(settings))
    return answer


router.add_api_route(ANSWER_PATH, end_sign_in, methods=["GET"], route_class_override=AnswerRoute)


async def _signed_in(request: Request, attempt: attempts.Attempt) -> Response:
    settings: ApiSettings = request.app.state.settings
    claims = await request.app.state.provider.claims(request.query_params, attempt)
    lasts = timedelta(hours=settings.oidc_session_hours)
    caller, token = await _begin_session(request, claims, lasts)
    # For the audit: from here on it is known who it is.
    request.scope[SCOPE_KEY] = caller
    # A page and no redirect: the browser came from elsewhere, and would bring the session's cookie, which is strict,
    # only to what a page of ours leads it to.
    answer = render(request, "signed_in.html", then=attempt.then or first_page_for(caller))
    answer.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(lasts.total_seconds()),
        **{**session_cookie(request), "secure": settings.is_public_by_tls},
    )
    return answer


async def _begin_session(request: Request, claims: dict[str, Any], lasts: timedelta) -> tuple[Caller, str]:
    """Raises `SignInRefused`; somebody of whom the provider says that they are in no group is out of all sessions."""
    settings: ApiSettings = request.app.state.settings
    engine = cast("AsyncEngine", request.app.state.engine)
    try:
        person = person_in(
            claims,
            name_claim=settings.oidc_name_claim,
            groups_claim=settings.oidc_groups_claim,
            scopes_of=settings.scopes_of_groups,
        )
    except NoGroup as refused:
        async with engine.begin() as connection:
            await people.end_sessions(connection, refused.identity)
        raise
    async with engine.begin() as connection:
        caller = await people.welcome(connection, person, lasts=lasts)
        session = await begin_session(connection, str(caller.key_id), lasts=lasts)
    await request.app.state.keys.reread()
    return caller, session.text


def _failed(request: Request, failed: SignInFailed, then: str) -> Response:
    is_away = isinstance(failed, ProviderUnavailable)
    code = ProblemCode.PROVIDER_UNAVAILABLE if is_away else ProblemCode.SIGN_IN_REFUSED
    log.info("nobody was signed in", code=code)
    return sign_in_page(request, then, code=code, wrong=str(failed))


def _cookie_name(settings: ApiSettings) -> str:
    """With TLS a name that no other host of the same domain can set (RFC 6265bis)."""
    return "__Host-rollcall_signing_in" if settings.is_public_by_tls else "rollcall_signing_in"


def _cookie(settings: ApiSettings) -> dict[str, Any]:
    """`lax`, because it has to come along when the provider leads the browser back."""
    return {"path": "/", "httponly": True, "samesite": "lax", "secure": settings.is_public_by_tls}
