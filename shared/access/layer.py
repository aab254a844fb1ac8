"""The one layer that every request passes before it is routed, and that says who asks.

It stands before routing because some routes are answered past the framework's own dependencies, and because what is
refused must not cost anything. What no route has is refused to strangers alike: they learn no addresses.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Final

from starlette._utils import get_route_path
from starlette.requests import Request
from starlette.responses import Response

from shared.access import refusals
from shared.access.browsers import SAFE_METHODS, header_map, is_foreign, is_known_host, lacks_json
from shared.access.callers import ANYBODY, MATCHES_KEY, SCOPE_KEY, Caller, Need, missing_scope, needs_ownership
from shared.access.key_directory import KeyDirectory, KeysUnknown
from shared.access.limits import KeyLimits, Kind, TooMany
from shared.access.loopback import came_in_on_loopback
from shared.access.refusals import Refusal
from shared.access.route_needs import Match, Matches, RouteNeeds
from shared.access.tokens import KEY, SESSION, is_damaged
from shared.database.engine import DATABASE_ERRORS
from shared.service.problem_document import problem_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SESSION_COOKIE: Final = "rollcall_session"
# Of what no route has; what is wrong with it besides is not worth saying.
_NOWHERE: Final = [Match(Need("a key", takes_json=False), "", {})]

# Who sent an upload: the name of a key, None if that is not known. Raises LookupError where there is no such upload.
OwnerOf = Callable[[uuid.UUID], Awaitable[str | None]]
AnswerPage = Callable[[Request, Refusal], Response]


class AccessLayer:
    """`keys` is None where authentication is off. `answer_page` answers a browser in the place of a problem."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        needs: RouteNeeds,
        keys: KeyDirectory | None,
        limits: KeyLimits,
        is_published_on_loopback: bool = False,
        allowed_hosts: Collection[str] = (),
        allowed_origins: Collection[str] = (),
        owner_of: OwnerOf | None = None,
        answer_page: AnswerPage | None = None,
    ) -> None:
        self._app = app
        self._needs = needs
        self._keys = keys
        self._limits = limits
        self._is_published_on_loopback = is_published_on_loopback
        self._allowed_hosts = allowed_hosts
        self._allowed_origins = allowed_origins
        self._owner_of = owner_of
        self._answer_page = answer_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"nothing here speaks {scope['type']}")
        matches = self._needs.matches(scope["method"], get_route_path(scope))
        scope[MATCHES_KEY] = matches.each
        # A page asks the application itself, in the name of the caller whom it was asked by.
        is_of_a_page = SCOPE_KEY in scope
        refusal = await self._refusal(scope, matches)
        if refusal is None:
            refusal = await self._run(scope, receive, send, matches, is_of_a_page=is_of_a_page)
        if refusal is None:
            return
        if self._answer_page is not None and matches.each[0].need.is_page:
            await self._answer_page(Request(scope), refusal)(scope, receive, send)
        else:
            await _problem(Request(scope), refusal)(scope, receive, send)

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, matches: Matches, *, is_of_a_page: bool
    ) -> Refusal | None:
        """The application, unless its caller has too much in hand; then nothing was sent."""
        caller = scope.get(SCOPE_KEY)
        if caller is None or caller.name is None:
            await self._app(scope, receive, send)
            return None
        # The page is in hand already.
        kinds: list[Kind] = [] if is_of_a_page else ["requests"]
        kinds += ["uploads"] if matches.brings_file else []
        try:
            with self._limits.holding(caller.name, *kinds):
                await self._app(scope, receive, send)
        except TooMany as error:
            return refusals.too_many(error.kind, error.most)
        return None

    async def _refusal(self, scope: Scope, matches: Matches) -> Refusal | None:
        """None: the request may go on, and says whose it is."""
        caller = scope.get(SCOPE_KEY)
        if caller is None:
            headers = header_map(scope["headers"])
            refusal = self._refusal_of_origin(scope, headers, matches)
            if refusal is not None or matches.is_open:
                return refusal
            caller = ANYBODY if self._keys is None else self._caller(scope, self._keys)
        if isinstance(caller, Refusal):
            return caller
        scope[SCOPE_KEY] = caller
        if caller.is_admin:
            # Lacks nothing, and may do with each upload what its owner may.
            return None
        for match in matches.each:
            refusal = await self._refusal_to(caller, match)
            if refusal is not None:
                return refusal
        return None

    def _refusal_of_origin(self, scope: Scope, headers: Mapping[bytes, bytes], matches: Matches) -> Refusal | None:
        """Of where it comes from, whoever sends it. Probes are asked by whatever name a machine has for this one."""
        if self._keys is None and not (self._is_published_on_loopback or came_in_on_loopback(scope)):
            return refusals.not_on_loopback()
        is_safe = scope["method"] in SAFE_METHODS
        if is_safe and matches.is_open:
            return None
        if not is_known_host(headers, self._allowed_hosts):
            return refusals.unknown_host()
        if not is_safe or matches.changes:
            if is_foreign(headers, self._allowed_origins):
                return refusals.foreign_page()
            if not is_safe and matches.takes_json and lacks_json(headers):
                return refusals.json_needed()
        return None

    def _caller(self, scope: Scope, keys: KeyDirectory) -> Caller | Refusal:
        """A key comes before a session: who brings both means the key."""
        try:
            if (key := _authorization(scope)) is not None:
                return keys.find(key, KEY) or refusals.key_not_valid(is_damaged=is_damaged(key))
            if (session := _session(scope)) is not None:
                return keys.find(session, SESSION) or refusals.session_over()
        except KeysUnknown:
            return refusals.keys_unknown()
        return refusals.key_needed()

    async def _refusal_to(self, caller: Caller, match: Match) -> Refusal | None:
        missing = missing_scope(caller, match.need, match.parameters)
        if missing is not None:
            return refusals.scope_missing(missing)
        if not needs_ownership(caller, match.need):
            return None
        try:
            is_own = await self._is_own(caller, match.parameters.get("upload_id"))
        except DATABASE_ERRORS:
            return refusals.keys_unknown()
        return None if is_own else refusals.others_upload()

    async def _is_own(self, caller: Caller, upload_id: str | None) -> bool:
        """What is no upload is left to the route, which says so."""
        if upload_id is None or self._owner_of is None:
            raise RuntimeError("a route that asks whose an upload is has to name it, and the application to know it")
        try:
            return await self._owner_of(uuid.UUID(upload_id)) == caller.name
        except (ValueError, LookupError):
            return True


def _authorization(scope: Scope) -> str | None:
    """None without the header. What is there twice, or of another kind than Bearer, is no key."""
    values: list[bytes] = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        return None
    scheme, _, text = values[0].decode("latin-1").partition(" ")
    return text.strip() if scheme.lower() == "bearer" and len(values) == 1 else ""


def _session(scope: Scope) -> str | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    cookies = (cookie for name, value in headers if name == b"cookie" for cookie in value.decode("latin-1").split(";"))
    for cookie in cookies:
        given, _, text = cookie.strip().partition("=")
        if given == SESSION_COOKIE:
            return text
    return None


def _problem(request: Request, refusal: Refusal) -> Response:
    return problem_response(
        request,
        status=refusal.code.status,
        code=refusal.code,
        title=refusal.code.meaning,
        detail=refusal.detail,
        headers=refusal.headers,
    )
