"""Asks the OpenID provider, with Authlib. Only where one is set up this is imported, and Authlib with it.

Nothing that the provider sends is stored or logged: a token is checked, its claims are read, and it is forgotten.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from api_service.access.oidc.attempt import Attempt
from api_service.access.oidc.errors import ProviderUnavailable, SignInRefused
from shared.service.telemetry import describe_error

log = structlog.get_logger(__name__)

# Signatures by a key that only the provider has. With HS256 whoever knows the public key, as text, could sign.
ALGORITHMS: Final = [f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)]
CLOCK_SKEW_SECONDS: Final = 30
TIMEOUT_SECONDS: Final = 5.0
METADATA_SECONDS: Final = 3600.0
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# As RFC 6749 has them: of what else an address may say, nothing is shown.
_ERROR_WORD: Final = re.compile(r"[a-z_]{1,40}")


class Provider:
    """Nothing is asked before somebody signs in. `redirect_uri` is as it is registered at the provider."""

    def __init__(self, *, issuer: str, client_id: str, client_secret: str, scopes: str, redirect_uri: str) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._redirect_uri = redirect_uri
        self._metadata: dict[str, Any] = {}
        self._metadata_ends_at = float("-inf")
        self._keys: KeySet | None = None
        self._asking = asyncio.Lock()
        self._tls: ssl.SSLContext | None = None

    async def address_to_sign_in(self, attempt: Attempt) -> str:
        """Where the browser goes. Raises `ProviderUnavailable`."""
        endpoint = (await self._known_metadata())["authorization_endpoint"]
        async with await self._client() as client:
            address, _ = client.create_authorization_url(
                endpoint, state=attempt.state, nonce=attempt.nonce, code_verifier=attempt.code_verifier
            )
        return str(address)

    async def claims(self, answer: Mapping[str, str], attempt: Attempt) -> dict[str, Any]:
        """What the provider says of who came back with its answer, once all of it is checked.

        Raises `ProviderUnavailable` and `SignInRefused`.
        """
        if "error" in answer:
            word = answer["error"] if _ERROR_WORD.fullmatch(answer["error"]) else "it did not say why"
            raise SignInRefused(f"Your account's provider did not sign you in ({word}).")
        # RFC 9207: an answer of another provider is not for us.
        if not answer.get("code") or answer.get("iss", self._issuer) != self._issuer:
            raise SignInRefused("This is no answer to a sign-in: begin again.")
        token = await self._exchange(answer["code"], attempt)
        return await self._checked(token, attempt)

    async def _exchange(self, code: str, attempt: Attempt) -> dict[str, Any]:
        metadata = await self._known_metadata()
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        try:
            async with await self._client(token_endpoint_auth_method=method) as client:
                token = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.code_verifier,
                )
        except OAuthError as error:
            word = error.error if _ERROR_WORD.fullmatch(error.error or "") else "unknown"
            log.warning("the provider refused a sign-in's code", provider_error=word)
            if word == "invalid_grant":
                raise SignInRefused("This sign-in was used already, or took too long: begin again.") from None
            raise ProviderUnavailable(
                f"Your account's provider refuses Rollcall itself ({word}): whoever runs Rollcall can mend that."
            ) from None
        except (httpx2.HTTPError, ValueError) as error:
            raise _unavailable("token_endpoint", error) from None
        return dict(token)

    async def _checked(self, token: Mapping[str, Any], attempt: Attempt) -> dict[str, Any]:
        try:
            decoded = await self._verified(str(token.get("id_token", "")))
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client_id},
                },
                {"nonce": attempt.nonce, "client_id": self._client_id, "access_token": token.get("access_token")},
            )
            claims.validate(leeway=CLOCK_SKEW_SECONDS)
        except (JoseError, ValueError) as error:
            # The class alone, because the text may quote the token.
            log.warning("an ID token was refused", reason=type(error).__name__, claim=getattr(error, "claim", None))
            raise SignInRefused(
                "What your account's provider said of you does not hold: begin again. If it stays so, whoever runs "
                "Rollcall finds the reason in its log."
            ) from None
        return dict(claims)

    async def _verified(self, id_token: str) -> jwt.Token:
        """By the keys that are known, and once more by those of now: the provider may have changed them."""
        known = self._keys
        if known is not None:
            try:
                return jwt.decode(id_token, known, algorithms=ALGORITHMS)
            except (InvalidKeyIdError, BadSignatureError):
                pass
        self._keys = await self._current_keys()
        return jwt.decode(id_token, self._keys, algorithms=ALGORITHMS)

    async def _current_keys(self) -> KeySet:
        document = await self._document((await self._known_metadata())["jwks_uri"])
        try:
            return KeySet.import_key_set(document)  # type: ignore[arg-type]  # it is checked by it
        except (JoseError, LookupError, TypeError, ValueError) as error:
            raise _unavailable("jwks_uri", error) from None

    async def _known_metadata(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0; the document has to be of the issuer that was asked."""
        async with self._asking:
            if time.monotonic() < self._metadata_ends_at:
                return self._metadata
            metadata = await self._document(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            if metadata.get("issuer") != self._issuer:
                raise _unavailable("issuer", ValueError("another issuer"))
            for name in _ENDPOINTS:
                if not self._is_safe(metadata.get(name)):
                    raise _unavailable(name, ValueError("no address that is safe"))
            self._metadata, self._metadata_ends_at = metadata, time.monotonic() + METADATA_SECONDS
            return metadata

    def _is_safe(self, address: object) -> bool:
        """TLS, unless the provider itself is set up without, on this machine."""
        if not isinstance(address, str):
            return False
        return urlsplit(address).scheme in {"https", urlsplit(self._issuer).scheme}

    async def _document(self, address: str) -> dict[str, Any]:
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, verify=await self._trusted()) as client:
                document = (await client.get(address)).raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise _unavailable(urlsplit(address).path, error) from None
        if not isinstance(document, dict):
            raise _unavailable(urlsplit(address).path, ValueError("no object"))
        return document

    async def _trusted(self) -> ssl.SSLContext:
        """The authorities of the machine, or of `SSL_CERT_FILE`: read once, because that holds up everybody."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls

    async def _client(self, **more: Any) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            client_id=self._client_id,
            client_secret=self._client_secret,
            scope=self._scopes,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
            verify=await self._trusted(),
            **more,
        )


def _unavailable(part: str, error: Exception) -> ProviderUnavailable:
    log.warning("the OpenID provider cannot be used", part=part, **describe_error(error))
    return ProviderUnavailable(
        "Your account's provider cannot be used just now: try again shortly, or sign in with a key. Whoever runs "
        "Rollcall finds the reason in its log."
    )
