"""Times that somebody sends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, Field

# What every clock and calendar that a time meets can say, in every zone.
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
PAST_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)

Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, lt=PAST_LATEST)]


def is_storable(time: datetime) -> bool:
    """Whether Postgres is sure to take it."""
    return time.tzinfo is not None and EARLIEST <= time < PAST_LATEST
