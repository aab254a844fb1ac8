"""People sign in at their company's OpenID provider, a real one, and nobody who only pretends to have done so."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from api_service.access.create_key import create_key
from api_service.settings import ApiSettings
from tests.support.keys import bearer, guarded_api, make_key
from tests.support.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Claims,
    OpenIdProvider,
    new_ec_key,
    new_rsa_key,
    running_provider,
)
from tests.support.plain_http import plain_client
from tests.support.uploads import SMALL_CSV
from tests.support.waiting import eventually

GROUPS = {"hr": ["read", "upload"], "rollcall-admins": ["admin"]}
# Not where the API under test listens, because its port is not known before it starts.
PUBLIC_URL = "http://rollcall.example"
ANSWER = f"{PUBLIC_URL}/sign-in/provider/answer"


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with running_provider() as provider:
        provider.redirect_uris = {ANSWER}
        provider.person |= {"groups": ["everybody", "hr"]}
        yield provider


@pytest.fixture
def settings(settings: ApiSettings, provider: OpenIdProvider) -> ApiSettings:
    return with_provider(settings, provider.issuer)


def with_provider(settings: ApiSettings, issuer: str, **more: Any) -> ApiSettings:
    given = {
        "oidc_issuer": issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_group_scopes": json.dumps(GROUPS),
        "public_url": PUBLIC_URL,
    }
    return ApiSettings.model_validate({**settings.model_dump(), **given, **more})


@pytest.fixture
async def api(settings: ApiSettings) -> AsyncIterator[httpx2.AsyncClient]:
    async with guarded_api(settings) as client:
        yield client


async def begin(api: httpx2.AsyncClient, then: str = "") -> str:
    """The address at the provider to which the browser is led."""
    begun = await api.get("/sign-in/provider", params={"then": then})
    assert begun.status_code == 303, begun.text
    return begun.headers["Location"]


async def agree(address: str) -> str:
    """What the provider's page leads back to, without the name of the host, by which the API is not reached here."""
    async with plain_client() as browser:
        page = (await browser.get(address)).raise_for_status().text
    back = page.partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert back.startswith(f"{ANSWER}?")
    return back.removeprefix(PUBLIC_URL)


async def sign_in(api: httpx2.AsyncClient, then: str = "") -> httpx2.Response:
    # Keycloak and others add to it what only they know.
    return await api.get(await agree(await begin(api, then)) + "&session_state=8a1c&session_state=8a1d")


def assert_refused(answer: httpx2.Response, api: httpx2.AsyncClient, words: str, status: int = 403) -> None:
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert "rollcall_session" not in api.cookies
    # The other way in stays open.
    assert 'name="key"' in answer.text


async def test_a_person_signs_in_and_is_themselves_in_all_they_do(
    api: httpx2.AsyncClient, provider: OpenIdProvider, database: asyncpg.Connection
) -> None:
    page = await api.get("/sign-in", params={"then": "/employees"})
    assert f"{PUBLIC_URL}/sign-in/provider?then=%2Femployees" in page.text

    begun = await api.get("/sign-in/provider", params={"then": "/employees?searchTerm=x&page=2"})
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["Location"]).query).items()}
    assert asked.items() >= {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": ANSWER}.items()
    assert asked["code_challenge_method"] == "S256"
    assert {"httponly", "samesite=lax", "max-age=600"} < set(begun.headers["Set-Cookie"].lower().split("; "))

    signed_in = await api.get(await agree(begun.headers["Location"]))
    assert signed_in.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/employees?searchTerm=x&amp;page=2"' in signed_in.text
    cookies = {cookie.partition("=")[0]: cookie.lower() for cookie in signed_in.headers.get_list("Set-Cookie")}
    assert {"httponly", "samesite=strict", "max-age=43200"} < set(cookies["rollcall_session"].split("; "))
    assert "max-age=0" in cookies["rollcall_signing_in"]

    own = (await api.get("/v1/self")).json()
    assert (own["name"], own["scopes"]) == ("person:ada@example.com", ["read", "upload"])
    assert "your company's account" in (await api.get("/account")).text.replace("&#39;", "'")
    upload = await api.post("/v1/employee-data-upload", files={"employee_data": ("a.csv", SMALL_CSV)})
    assert upload.json()["uploadedBy"] == "person:ada@example.com"
    assert (await api.get("/v1/keys")).status_code == 403
    entries = await database.fetch("SELECT action, caller, key_id, outcome FROM audit_entries ORDER BY id")
    assert [(row["action"], row["outcome"]) for row in entries] == [("sign-in", "done"), ("upload.create", "done")]
    assert {(row["caller"], row["key_id"]) for row in entries} == {("person:ada@example.com", own["id"])}

    assert (await api.post("/sign-out")).headers["Location"] == "/sign-in"
    assert (await api.get("/v1/self")).status_code == 401


async def test_an_admin_ends_a_persons_sessions_in_every_process(settings: ApiSettings) -> None:
    admin = bearer(await make_key(settings, "admin", name="boss"))
    async with guarded_api(settings) as api, guarded_api(settings) as replica:
        await sign_in(api)
        person = (await api.get("/v1/self")).json()
        session = {"Cookie": f"rollcall_session={api.cookies['rollcall_session']}"}
        keys = (await api.get("/v1/keys", headers=admin)).json()["data"]
        listed = next(key for key in keys if key["id"] == person["id"])
        assert listed["createdBy"].endswith(" 248289761001")
        assert (await replica.get("/v1/audit", params={"caller": person["name"]}, headers=admin)).json()["size"] == 1

        assert (await api.delete(f"/v1/keys/{person['id']}", headers=admin)).status_code == 204
        assert (await api.get("/v1/self")).status_code == 401

        async def is_out() -> bool:
            return (await replica.get("/v1/self", headers=session)).status_code == 401

        await eventually(is_out)
        # To keep somebody out for good is for the provider; the entry that was revoked stays as it is.
        await sign_in(api)
        assert (await api.get("/v1/self")).json()["id"] != person["id"]


async def test_what_the_groups_are_now_holds_for_all_sessions_of_a_person(
    settings: ApiSettings, provider: OpenIdProvider
) -> None:
    async with guarded_api(settings) as api, guarded_api(settings) as other_browser:
        await sign_in(api)
        assert (await api.get("/v1/keys")).status_code == 403
        provider.person["groups"] = ["rollcall-admins"]
        await sign_in(other_browser)

        async def may_all() -> bool:
            return (await api.get("/v1/keys")).status_code == 200

        await eventually(may_all)
        provider.person["groups"] = ["everybody"]
        refused = await sign_in(other_browser)
        assert (refused.status_code, "none of your groups may use Rollcall" in refused.text) == (403, True)

        async def is_out() -> bool:
            return (await api.get("/v1/self")).status_code == 401

        await eventually(is_out)


async def test_an_answer_to_a_sign_in_of_another_browser_is_none(
    api: httpx2.AsyncClient, settings: ApiSettings
) -> None:
    answer = await agree(await begin(api))
    async with guarded_api(settings) as stranger:
        assert_refused(await stranger.get(answer), stranger, "did not begin in this browser")
        await begin(stranger)
        assert_refused(await stranger.get(answer), stranger, "did not begin in this browser")
    wrong = answer.partition("&state=")[0] + "&state=guessed"
    assert_refused(await api.get(wrong), api, "did not begin in this browser")
    # Whatever came back, the attempt is over.
    assert_refused(await api.get(answer), api, "did not begin in this browser")


async def test_a_cookie_of_a_sign_in_that_was_made_up_is_none(api: httpx2.AsyncClient) -> None:
    answer = await agree(await begin(api))
    name, sealed = next((name, value) for name, value in api.cookies.items() if name == "rollcall_signing_in")
    body, _, signature = sealed.strip('"').partition(".")
    attempt = json.loads(base64.urlsafe_b64decode(body))
    forged = base64.urlsafe_b64encode(json.dumps({**attempt, "state": "mine"}).encode()).decode()
    api.cookies.clear()
    headers = {"Cookie": f"{name}={forged}.{signature}"}
    refused = await api.get("/sign-in/provider/answer?code=x&state=mine", headers=headers)
    assert_refused(refused, api, "did not begin in this browser")
    assert (await api.get(answer, headers={"Cookie": f"{name}={sealed}"})).status_code == 200


async def test_a_code_signs_in_once(api: httpx2.AsyncClient, provider: OpenIdProvider) -> None:
    answer = await agree(await begin(api))
    cookie = {"Cookie": f"rollcall_signing_in={api.cookies['rollcall_signing_in']}"}
    assert (await api.get(answer)).status_code == 200
    api.cookies.clear()
    assert_refused(await api.get(answer, headers=cookie), api, "was used already")


async def test_a_code_that_was_stolen_is_worth_nothing_without_its_verifier(
    api: httpx2.AsyncClient, settings: ApiSettings
) -> None:
    """Injected into the thief's own sign-in, whose state and cookie are good."""
    stolen = parse_qs(urlsplit(await agree(await begin(api))).query)["code"][0]
    async with guarded_api(settings) as thief:
        own = await agree(await begin(thief))
        code = parse_qs(urlsplit(own).query)["code"][0]
        assert_refused(await thief.get(own.replace(code, stolen)), thief, "was used already, or took too long")


def changed(**claims: Any) -> Any:
    return lambda given: {name: value for name, value in {**given, **claims}.items() if value is not None}


BROKEN_CLAIMS: list[Claims] = [
    {"iss": "https://elsewhere.example"},
    {"aud": "another-client"},
    {"aud": [CLIENT_ID, "another-client"]},
    {"aud": None},
    {"nonce": "of-another-sign-in"},
    {"nonce": None},
    {"exp": 1_700_000_000},
    {"exp": None},
    {"iat": 4_000_000_000},
    {"azp": "another-client"},
    {"sub": None},
    {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
]


async def test_a_token_that_does_not_hold_signs_nobody_in(
    api: httpx2.AsyncClient, provider: OpenIdProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    for claims in BROKEN_CLAIMS:
        provider.change_claims = changed(**claims)
        assert_refused(await sign_in(api), api, "does not hold")
    # The test's own clients tell of all addresses that they ask.
    logged = "".join(line for line in "".join(capfd.readouterr()).splitlines() if '"httpx2"' not in line)
    assert logged.count("an ID token was refused") == len(BROKEN_CLAIMS) == len(provider.codes)
    assert not [secret for secret in (*provider.tokens, *provider.codes, "ada@example.com") if secret in logged]


async def test_a_clock_that_is_a_little_off_keeps_nobody_out(api: httpx2.AsyncClient, provider: OpenIdProvider) -> None:
    provider.change_claims = lambda claims: {**claims, "iat": claims["iat"] + 20, "exp": claims["iat"] - 20}
    assert (await sign_in(api)).status_code == 200


def unsigned(claims: Claims) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)
    ]
    return f"{parts[0]}.{parts[1]}."


async def test_a_token_that_nobody_signed_signs_nobody_in(api: httpx2.AsyncClient, provider: OpenIdProvider) -> None:
    provider.sign = unsigned
    assert_refused(await sign_in(api), api, "does not hold")


async def test_the_public_key_is_no_secret_to_sign_with(api: httpx2.AsyncClient, provider: OpenIdProvider) -> None:
    """HS256 with what everybody can read: the confusion of algorithms."""
    key = provider.keys[0]
    for public in (key.as_pem(private=False), json.dumps(provider.public_keys()["keys"][0]).encode()):
        provider.sign = lambda claims, public=public: jwt.encode(
            {"alg": "HS256", "kid": key.kid}, claims, OctKey.import_key(base64.b64encode(public)), algorithms=["HS256"]
        )
        assert_refused(await sign_in(api), api, "does not hold")


async def test_a_token_by_a_key_that_is_not_the_providers_signs_nobody_in(
    api: httpx2.AsyncClient, provider: OpenIdProvider
) -> None:
    own = new_rsa_key()
    for kid in (provider.keys[0].kid, own.kid):
        provider.sign = lambda claims, kid=kid: jwt.encode({"alg": "RS256", "kid": kid}, claims, own)
        assert_refused(await sign_in(api), api, "does not hold")


async def test_keys_that_the_provider_changed_are_learnt_at_once(
    api: httpx2.AsyncClient, provider: OpenIdProvider
) -> None:
    assert (await sign_in(api)).status_code == 200
    assert (await sign_in(api)).status_code == 200
    assert (provider.asked.count("keys"), provider.asked.count("discovery")) == (1, 1)
    leaked = provider.keys[0]
    provider.rotate(new_ec_key())
    provider.algorithm = "ES256"
    assert (await sign_in(api)).status_code == 200
    assert provider.asked.count("keys") == 2
    # What the old key signs is worth nothing from now on.
    api.cookies.clear()
    provider.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": leaked.kid}, claims, leaked)
    assert_refused(await sign_in(api), api, "does not hold")


async def test_who_is_in_no_group_that_may_is_told_so(
    api: httpx2.AsyncClient, provider: OpenIdProvider, database: asyncpg.Connection
) -> None:
    several: list[Any] = [["everybody"], [], None, 7, [["hr"]], {"hr": True}]
    for groups in several:
        provider.person["groups"] = groups
        assert_refused(await sign_in(api), api, "none of your groups may use Rollcall")
    assert await database.fetchval("SELECT count(*) FROM key_sessions") == 0


async def test_an_address_that_nobody_confirmed_is_nobodys_name(
    api: httpx2.AsyncClient, provider: OpenIdProvider
) -> None:
    provider.person["email_verified"] = False
    assert_refused(await sign_in(api), api, "not confirmed")
    provider.person |= {"email_verified": True, "email": "two words"}
    assert_refused(await sign_in(api), api, "ROLLCALL_API_OIDC_NAME_CLAIM")


async def test_somebody_who_calls_themselves_like_a_key_is_not_that_key(
    settings: ApiSettings, provider: OpenIdProvider
) -> None:
    payroll = bearer(await make_key(settings, "upload", name="payroll"))
    provider.person["preferred_username"] = "payroll"
    async with guarded_api(settings.model_copy(update={"oidc_name_claim": "preferred_username"})) as api:
        files = {"employee_data": ("a.csv", SMALL_CSV)}
        upload = (await api.post("/v1/employee-data-upload", files=files, headers=payroll)).json()
        await sign_in(api)
        assert (await api.get("/v1/self")).json()["name"] == "person:payroll"
        assert (await api.post(f"/v1/uploads/{upload['id']}/cancel")).json()["code"] == "others_upload"
        refused = await api.post("/v1/keys", json={"name": "person:payroll", "scopes": ["read"]}, headers=payroll)
        assert refused.status_code == 403


async def test_nobody_is_led_elsewhere(api: httpx2.AsyncClient) -> None:
    for then, leads in (
        ("/employees", "/employees"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ('/"><script>alert(1)</script>', "/&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"),
        (f"/{'x' * 5000}", "/"),
    ):
        signed_in = await sign_in(api, then)
        assert f'content="0; url={leads}"' in signed_in.text
        assert "evil.example" not in signed_in.text


async def test_a_person_who_may_all_is_not_the_first_key(settings: ApiSettings, provider: OpenIdProvider) -> None:
    """It would be gone tomorrow, and nobody has its text."""
    provider.person["groups"] = ["rollcall-admins"]
    async with guarded_api(settings) as api:
        await sign_in(api)
        assert (await api.get("/v1/keys")).status_code == 200
        assert await create_key(settings, "admin", ["admin"], only_first=True) is not None
        assert await create_key(settings, "admin", ["admin"], only_first=True) is None


async def test_who_says_no_at_the_provider_is_told_so(api: httpx2.AsyncClient) -> None:
    state = parse_qs(urlsplit(await begin(api)).query)["state"][0]
    refused = await api.get("/sign-in/provider/answer", params={"error": "access_denied", "state": state})
    assert_refused(refused, api, "(access_denied)")
    state = parse_qs(urlsplit(await begin(api)).query)["state"][0]
    refused = await api.get("/sign-in/provider/answer", params={"error": "<b>call +1 555</b>", "state": state})
    assert_refused(refused, api, "it did not say why")
    assert "+1 555" not in refused.text


async def test_an_answer_of_another_provider_is_none(api: httpx2.AsyncClient) -> None:
    answer = await agree(await begin(api))
    assert_refused(await api.get(f"{answer}&iss=https://elsewhere.example"), api, "no answer to a sign-in")


async def test_a_provider_that_is_away_keeps_out_nobody_with_a_key(
    settings: ApiSettings, provider: OpenIdProvider
) -> None:
    key = await make_key(settings, "read", name="reader")
    provider.is_broken = True
    nobody_listens = with_provider(settings, "http://127.0.0.1:9")
    another_issuer = with_provider(settings, f"{provider.issuer}/")
    for broken in (settings, nobody_listens, another_issuer):
        async with guarded_api(broken) as api:
            assert_refused(await api.get("/sign-in/provider"), api, "cannot be used just now", 503)
            assert (await api.get("/readyz")).status_code == 200
            assert (await api.post("/sign-in", data={"key": key})).status_code == 303
            assert (await api.get("/v1/self")).json()["name"] == "reader"
        provider.is_broken = False
    # As soon as it is back, so is the way in.
    async with guarded_api(settings) as api:
        provider.is_broken = True
        assert (await api.get("/sign-in/provider")).status_code == 503
        provider.is_broken = False
        assert (await sign_in(api)).status_code == 200


async def test_a_provider_that_does_not_know_us_is_not_the_visitors_fault(
    settings: ApiSettings, provider: OpenIdProvider
) -> None:
    async with guarded_api(with_provider(settings, provider.issuer, oidc_client_secret="x" * 32)) as api:
        assert_refused(await sign_in(api), api, "refuses Rollcall itself (invalid_client)", 503)


async def test_over_tls_both_cookies_are_for_tls_alone(settings: ApiSettings, provider: OpenIdProvider) -> None:
    public = "https://rollcall.example"
    provider.redirect_uris = {f"{public}/sign-in/provider/answer"}
    async with guarded_api(settings.model_copy(update={"public_url": public})) as api:
        begun = await api.get("/sign-in/provider")
        cookie = begun.headers["Set-Cookie"]
        assert cookie.startswith("__Host-rollcall_signing_in=")
        assert "; Secure" in cookie
        async with plain_client() as browser:
            page = (await browser.get(begun.headers["Location"])).text
        back = page.partition('href="')[2].partition('"')[0].replace("&amp;", "&").removeprefix(public)
        signed_in = await api.get(back, headers={"Cookie": cookie.partition(";")[0]})
        assert [("; Secure" in each) for each in signed_in.headers.get_list("Set-Cookie")] == [True, True]


async def test_without_a_provider_there_is_no_such_way_in(settings: ApiSettings) -> None:
    without = settings.model_copy(update={"oidc_issuer": ""})
    async with guarded_api(without) as api:
        assert "/sign-in/provider" not in (await api.get("/sign-in")).text
        for address in ("/sign-in/provider", "/sign-in/provider/answer?code=x&state=y"):
            assert (await api.get(address)).headers["Location"] == "/sign-in"


async def test_a_session_ends_when_the_setting_says(settings: ApiSettings, database: asyncpg.Connection) -> None:
    async with guarded_api(settings.model_copy(update={"oidc_session_hours": 0.5})) as api:
        signed_in = await sign_in(api)
        assert "Max-Age=1800" in next(c for c in signed_in.headers.get_list("Set-Cookie") if "rollcall_session" in c)
        query = "SELECT extract(epoch FROM expires_at - now()) FROM {}"
        for table in ("key_sessions", "api_keys"):
            assert 1700 < await database.fetchval(query.format(table)) <= 1800
