"""What is made of what a provider says of somebody."""

from __future__ import annotations

from typing import Any

import pytest

from api_service.access.oidc.errors import SignInRefused
from api_service.access.oidc.person import NoGroup, Person, person_in

CLAIMS = {"iss": "https://id.example.com", "sub": "2482", "email": "ada@example.com", "groups": ["hr"]}
SCOPES = {"hr": ["read", "upload"], "it": ["queues:*", "read"], "nothing": list[str]()}


def person(name_claim: str = "email", groups_claim: str = "groups", **claims: Any) -> Person:
    return person_in(CLAIMS | claims, name_claim=name_claim, groups_claim=groups_claim, scopes_of=SCOPES)


def test_a_person_may_what_all_their_groups_may() -> None:
    both = person(groups=["it", "hr", "canteen"])
    assert both == Person("https://id.example.com 2482", "person:ada@example.com", ("queues:*", "read", "upload"))


def test_one_group_may_come_without_a_list_and_under_another_claim() -> None:
    assert person(groups="hr").scopes == ("read", "upload")
    elsewhere: dict[str, Any] = {"https://example.com/roles": ["it"]}
    assert person(groups_claim="https://example.com/roles", **elsewhere).scopes == ("queues:*", "read")


@pytest.mark.parametrize("groups", [None, [], ["HR"], ["nothing"], "h", 1, True, {"hr": 1}, [["hr"]], [None]])
def test_who_is_in_no_group_that_may_anything_is_nobody(groups: object) -> None:
    with pytest.raises(NoGroup) as refused:
        person(groups=groups)
    assert refused.value.identity == "https://id.example.com 2482"


@pytest.mark.parametrize("name", [None, "", 7, ["ada"], "a b", "a\nb", "a\x00", "a\u202eb", "x" * 201])
def test_what_is_no_plain_name_names_nobody(name: object) -> None:
    with pytest.raises(SignInRefused, match="ROLLCALL_API_OIDC_NAME_CLAIM"):
        person(email=name)


def test_an_email_is_a_name_unless_the_provider_says_that_it_is_not_confirmed() -> None:
    assert person(email_verified=True).name == person().name == "person:ada@example.com"
    with pytest.raises(SignInRefused, match="not confirmed"):
        person(email_verified=False)
    assert person("preferred_username", preferred_username="ada", email_verified=False).name == "person:ada"
    assert person("email", email="zoë+1@exämple.com").name == "person:zoë+1@exämple.com"
