"""A person signs in with their company's account: there and back again in a real browser, between two sites."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browsing import accessibility_findings, open_page
from tests.support.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider, running_provider
from tests.support.services import Backends, Services


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    """At `localhost`, which is another site than the API's address in numbers."""
    async with running_provider() as provider:
        provider.issuer = provider.issuer.replace("127.0.0.1", "localhost")
        provider.person["groups"] = ["hr"]
        yield provider


@pytest.fixture
async def services(
    database_url: str, amqp_url: str, upload_store_url: str, tmp_path: Path, provider: OpenIdProvider
) -> AsyncIterator[Services]:
    backends = Backends(database_url, amqp_url, upload_store_url)
    async with Services(backends, tmp_path / "logs", {"ROLLCALL_AUTHENTICATION": "on"}, warm=True) as services:
        provider.redirect_uris = {f"{services.api_url}/sign-in/provider/answer"}
        services.own_of["api_service"] = {
            "ROLLCALL_API_PUBLIC_URL": services.api_url,
            "ROLLCALL_API_OIDC_ISSUER": provider.issuer,
            "ROLLCALL_API_OIDC_CLIENT_ID": CLIENT_ID,
            "ROLLCALL_API_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "ROLLCALL_API_OIDC_GROUP_SCOPES": json.dumps({"hr": ["read"]}),
        }
        await services.start("api_service")
        yield services


@pytest.fixture
async def page(browser: Browser, services: Services, provider: OpenIdProvider) -> AsyncIterator[Page]:
    async with open_page(browser, services.api_url, elsewhere=(provider.issuer,)) as page:
        yield page


async def test_a_person_comes_back_to_the_page_they_asked_for_and_stays_signed_in(
    services: Services, page: Page, provider: OpenIdProvider, axe_script: str
) -> None:
    await page.goto("/employees?searchTerm=asha")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await accessibility_findings(page, axe_script) == []
    await page.get_by_role("link", name="Sign in with your company's account").click()
    await expect(page.get_by_role("heading", name="Example Ltd")).to_be_visible()
    await page.get_by_role("link", name="Sign in as Ada").click()

    # The session's cookie is strict, and yet it is there for the page that was asked for.
    await expect(page).to_have_url(f"{services.api_url}/employees?searchTerm=asha")
    await expect(page.get_by_role("link", name="person:ada@example.com")).to_be_visible()
    cookies = {cookie["name"]: cookie for cookie in await page.context.cookies()}
    assert list(cookies) == ["rollcall_session"]
    assert (cookies["rollcall_session"]["sameSite"], cookies["rollcall_session"]["httpOnly"]) == ("Strict", True)

    await page.get_by_role("button", name="Sign out").click()
    await page.goto("/employees")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    provider.person["groups"] = ["canteen"]
    await page.get_by_role("link", name="Sign in with your company's account").click()
    await page.get_by_role("link", name="Sign in as Ada").click()
    await expect(page.get_by_role("alert")).to_contain_text("none of your groups may use Rollcall")
    assert await accessibility_findings(page, axe_script) == []
