"""A small OpenID provider, a real HTTP server: discovery, keys, the authorization code flow with PKCE.

It does what the specifications ask of a provider, and checks what they ask it to check. What a bad provider or a thief
would do, each test does by changing one attribute of it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.api import served

CLIENT_ID: Final = "rollcall"
CLIENT_SECRET: Final = "the-secret-of-rollcall-at-its-provider"

SigningKey = RSAKey | ECKey
Claims = dict[str, Any]


@dataclass
class Grant:
    """What an authorization code stands for, until it is used."""

    redirect_uri: str
    code_challenge: str
    nonce: str | None


@dataclass
class OpenIdProvider:
    """`person` are the claims of whoever signs in here: there is no password, the page asks for one click."""

    issuer: str = ""
    person: Claims = field(
        default_factory=lambda: {"sub": "248289761001", "email": "ada@example.com", "email_verified": True}
    )
    redirect_uris: set[str] = field(default_factory=set)
    keys: list[SigningKey] = field(default_factory=lambda: [new_rsa_key()])
    algorithm: str = "RS256"
    # Instead of the provider's own, for what a thief or a broken provider sends.
    change_claims: Callable[[Claims], Claims] = lambda claims: claims
    sign: Callable[[Claims], str] | None = None
    is_broken: bool = False
    grants: dict[str, Grant] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def rotate(self, key: SigningKey) -> None:
        """The old key is gone at once, as after it leaked."""
        self.keys = [key]

    def public_keys(self) -> dict[str, Any]:
        return {"keys": [{**key.as_dict(private=False), "use": "sig"} for key in self.keys]}

    def id_token(self, claims: Claims) -> str:
        header = {"alg": self.algorithm, "kid": self.keys[0].kid}
        return jwt.encode(header, claims, self.keys[0], algorithms=[self.algorithm])

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    async def _discovery(self, request: Request) -> Response:
        self.asked.append("discovery")
        if self.is_broken:
            return HTMLResponse("<h1>Bad gateway</h1>", 502)
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [self.algorithm],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    async def _keys(self, request: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse(self.public_keys())

    async def _authorize(self, request: Request) -> Response:
        """The page where one signs in: one link, that leads back with a code."""
        query = request.query_params
        # RFC 6749, 4.1.2.1: to an address that is not registered nothing is sent, and nobody.
        if query.get("client_id") != CLIENT_ID or query.get("redirect_uri") not in self.redirect_uris:
            return HTMLResponse("<h1>Unknown client or address</h1>", 400)
        asked_well = (
            query.get("response_type") == "code"
            and "openid" in query.get("scope", "").split()
            and query.get("code_challenge_method") == "S256"
            and len(query.get("code_challenge", "")) == 43
        )
        if not asked_well:
            return self._back(query["redirect_uri"], error="invalid_request", state=query.get("state", ""))
        code = secrets.token_urlsafe(32)
        self.codes.append(code)
        self.grants[code] = Grant(query["redirect_uri"], query["code_challenge"], query.get("nonce"))
        address = self._back(query["redirect_uri"], code=code, state=query.get("state", "")).headers["Location"]
        return HTMLResponse(f'<h1>Example Ltd</h1><a href="{address.replace("&", "&amp;")}">Sign in as Ada</a>')

    def _back(self, redirect_uri: str, **answer: str) -> RedirectResponse:
        return RedirectResponse(f"{redirect_uri}?{urlencode(answer)}", 303)

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if not _is_client(request.headers.get("authorization", "")):
            return JSONResponse({"error": "invalid_client"}, 401)
        # A code is good once (RFC 6749, 4.1.2).
        grant = self.grants.pop(form.get("code", ""), None)
        is_good = (
            grant is not None
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == grant.redirect_uri
            and _challenge_of(form.get("code_verifier", "")) == grant.code_challenge
        )
        if grant is None or not is_good:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": grant.nonce}
        claims = self.change_claims({**claims, **self.person})
        id_token = self.sign(claims) if self.sign is not None else self.id_token(claims)
        access_token = secrets.token_urlsafe(32)
        self.tokens += [id_token, access_token]
        return JSONResponse(
            {"access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": id_token},
            headers={"Cache-Control": "no-store"},
        )


def new_rsa_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


def new_ec_key() -> ECKey:
    return ECKey.generate_key("P-256", auto_kid=True)


@contextlib.asynccontextmanager
async def running_provider() -> AsyncIterator[OpenIdProvider]:
    provider = OpenIdProvider()
    async with served(provider.application()) as address:
        provider.issuer = address
        yield provider


def _is_client(authorization: str) -> bool:
    expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    return secrets.compare_digest(authorization, f"Basic {expected}")


def _challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
