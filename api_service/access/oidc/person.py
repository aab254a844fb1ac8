"""Who a person is to Rollcall, and what they may, by what their provider says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api_service.access.oidc.errors import SignInRefused
from shared.access.callers import PERSON

MOST_CHARACTERS: Final = 200


class NoGroup(SignInRefused):
    """A good sign-in of somebody who may do nothing here, or no more."""

    def __init__(self, issuer: str, subject: str) -> None:
        super().__init__(
            "You are known there, but none of your groups may use Rollcall: ask whoever runs it to let one of them in."
        )
        self.identity = identity_of(issuer, subject)


@dataclass(frozen=True, slots=True)
class Person:
    """`identity` is who it is for good; `name` is what they are called, and the caller of what they do."""

    identity: str
    name: str
    scopes: tuple[str, ...]


def identity_of(issuer: str, subject: str) -> str:
    return f"{issuer} {subject}"


def person_in(
    claims: Mapping[str, Any], *, name_claim: str, groups_claim: str, scopes_of: Mapping[str, Sequence[str]]
) -> Person:
    """Of claims that were checked. Raises `NoGroup`, and `SignInRefused` for somebody who has no name here."""
    issuer, subject = str(claims["iss"]), str(claims["sub"])
    granted = {scope for group in _groups(claims.get(groups_claim)) for scope in scopes_of.get(group, ())}
    if not granted:
        raise NoGroup(issuer, subject)
    return Person(identity_of(issuer, subject), PERSON + _name(claims, name_claim), tuple(sorted(granted)))


def _groups(claim: object) -> list[str]:
    """A provider that knows of one group alone may send it without a list."""
    if isinstance(claim, str):
        return [claim]
    return [group for group in claim if isinstance(group, str)] if isinstance(claim, list) else []


def _name(claims: Mapping[str, Any], name_claim: str) -> str:
    name = claims.get(name_claim)
    # What somebody wrote there themselves may be anybody's address.
    if name_claim == "email" and claims.get("email_verified") is False:
        raise SignInRefused("Your email address is not confirmed there: confirm it, and sign in again.")
    if not isinstance(name, str) or not 0 < len(name) <= MOST_CHARACTERS or not name.isprintable() or " " in name:
        raise SignInRefused(
            f"What was said of you there has no `{name_claim}` by which you could be called: whoever runs Rollcall can "
            "set ROLLCALL_API_OIDC_NAME_CLAIM."
        )
    return name
