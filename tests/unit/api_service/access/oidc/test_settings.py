"""A provider is set up whole, or the service says what is lacking; without one nothing of it is loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from api_service.settings import ApiSettings
from tests.support.api import api_settings

WHOLE = {
    "oidc_issuer": "https://id.example.com/realms/staff",
    "oidc_client_id": "rollcall",
    "oidc_client_secret": "x" * 16,
    "oidc_group_scopes": '{"hr": ["read", "queues:jobs-*"]}',
    "public_url": "https://rollcall.example.com",
    "authentication": "on",
}
STARTS = """
import sys
from tests.support.api import api_settings
from api_service.app import create_app
create_app(api_settings("postgresql://a:b@localhost/c", "amqp://a:b@localhost/c", "file:///nowhere"{more}))
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & {{"authlib", "joserfc", "cryptography"}}))
"""


def settings(**changed: Any) -> ApiSettings:
    return api_settings("postgresql://a:b@localhost/c", "amqp://a:b@localhost/c", "file:///nowhere", **WHOLE | changed)


def test_a_provider_that_is_set_up_whole_is_used() -> None:
    whole = settings()
    assert (whole.has_provider, whole.is_public_by_tls) == (True, True)
    assert whole.scopes_of_groups == {"hr": ["read", "queues:jobs-*"]}
    assert not settings(authentication="off").has_provider
    assert not settings(oidc_issuer="", public_url="", oidc_group_scopes="").has_provider


@pytest.mark.parametrize("lacking", ["oidc_client_id", "oidc_client_secret", "oidc_group_scopes", "public_url"])
def test_what_is_lacking_is_named(lacking: str) -> None:
    with pytest.raises(ValidationError, match=f"ROLLCALL_API_{lacking.upper()}"):
        settings(**{lacking: ""})


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_issuer": "http://id.example.com"},
        {"oidc_issuer": "https://id.example.com?x=1"},
        {"oidc_client_secret": "short"},
        {"oidc_group_scopes": "hr=read"},
        {"oidc_group_scopes": '{"hr": "read"}'},
        {"oidc_group_scopes": '{"hr": ["write"]}'},
        {"oidc_scopes": "email profile"},
        {"oidc_session_hours": 0},
        {"public_url": "https://rollcall.example.com/"},
        {"public_url": "rollcall.example.com"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_a_provider_on_this_machine_needs_no_tls() -> None:
    for issuer in ("http://localhost:8080/realms/staff", "http://127.0.0.1", "http://[::1]:9000"):
        assert settings(oidc_issuer=issuer).has_provider


@pytest.mark.slow
@pytest.mark.parametrize(("more", "loaded"), [("", ""), (f", **{WHOLE!r}", "authlib cryptography joserfc")])
def test_the_packages_are_loaded_only_where_a_provider_is_set(more: str, loaded: str) -> None:
    program = STARTS.format(more=more)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == loaded
