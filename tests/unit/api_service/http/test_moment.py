"""A time is one that is written out, in a zone, and that every clock can say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from api_service.http.moment import Moment

MOMENT = TypeAdapter[datetime](Moment)


def test_a_time_is_taken_as_people_and_programs_write_it() -> None:
    nine = datetime(2026, 11, 27, 9, tzinfo=UTC)
    for text in ("2026-11-27T09:00:00Z", "2026-11-27 09:00:00.000Z", "2026-11-27T11:00+02:00"):
        assert MOMENT.validate_python(text) == nine
    assert MOMENT.validate_python(nine.astimezone(timezone(timedelta(hours=2)))) == nine


@pytest.mark.parametrize(
    "given",
    [
        0,
        0.5,
        True,
        1_800_000_000,
        "0.5",
        " 12 ",
        "1e9",
        "-1",
        "2026-11-27T09:00:00",
        "1969-12-31T23:59:59Z",
        "9999-01-01T00:00:00Z",
    ],
)
def test_what_is_no_such_time_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(given)
