"""The second upload of the sample is held to what the demo says."""

from __future__ import annotations

from tools.ci.smoke import only_duplicates

SAID = """status      partially_succeeded
rows read   5,000
inserted    {}
updated     0
duplicates  {}
  invalid_mobile  7
"""


def test_only_duplicates_and_nothing_inserted_is_right() -> None:
    assert only_duplicates(SAID.format("0", "4,900"))


def test_inserted_rows_and_missing_duplicates_are_wrong() -> None:
    assert not only_duplicates(SAID.format("4,900", "0"))
    assert not only_duplicates(SAID.format("0", "0"))
