"""Why somebody who came back from the provider is not signed in. The text of each is for that person."""

from __future__ import annotations

from shared.errors import RollcallError


class SignInFailed(RollcallError):
    """Nobody is signed in."""


class ProviderUnavailable(SignInFailed):
    """The provider does not answer, or not as one that works and is set up here answers."""


class SignInRefused(SignInFailed):
    """The provider or Rollcall lets this person, or this attempt, not in."""
