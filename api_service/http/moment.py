"""Times that somebody sends."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BeforeValidator, Field

# What every clock and calendar that a time meets can say, in every zone.
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
PAST_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[-+]?[0-9._]+([eE][-+]?[0-9]+)?")


def _require_words(given: object) -> object:
    """A number would be taken for seconds since 1970, or for milliseconds if it is large."""
    if isinstance(given, int | float) or (isinstance(given, str) and _NUMBER.fullmatch(given.strip())):
        raise ValueError("a number is no time: write it as 2026-11-27T09:00:00Z")
    return given


Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, lt=PAST_LATEST), BeforeValidator(_require_words)]


def is_storable(time: datetime) -> bool:
    """Whether Postgres is sure to take it."""
    return time.tzinfo is not None and EARLIEST <= time < PAST_LATEST
