"""The demo must not call a run good that is not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from deploy.demo import what_does_not_add_up
from deploy.sample import Sample

SAMPLE = Sample(rows=100, bad=Counter(missing_value=2, invalid_email=1))
GOOD: dict[str, Any] = {
    "status": "partially_succeeded",
    "problem": None,
    "rowsRead": 100,
    "inserted": 90,
    "updated": 0,
    "duplicates": 7,
    "rejected": 3,
    "unprocessed": 0,
    "rejectedBy": {"missing_value": 2, "invalid_email": 1},
}


def test_an_upload_in_which_every_row_has_its_outcome_adds_up() -> None:
    assert what_does_not_add_up(GOOD, SAMPLE) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "failed", "problem": {"code": "unclosed_quote"}}, "unclosed_quote"),
        ({"inserted": 89}, "are 99"),
        ({"inserted": 91}, "are 101"),
        ({"rowsRead": 99, "inserted": 89}, "99 rows were read of 100"),
        ({"inserted": 80, "unprocessed": 10}, "10 rows were left unprocessed"),
        ({"rejectedBy": {"missing_value": 3}}, "instead of"),
    ],
)
def test_whatever_is_amiss_is_named(change: dict[str, Any], words: str) -> None:
    assert words in "; ".join(what_does_not_add_up(GOOD | change, SAMPLE))
