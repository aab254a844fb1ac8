"""Rows are checked by the check itself, unless a test names a row to fail at."""

from __future__ import annotations

import json

import pytest

from consumer_service.row_check import rows_check
from shared.rows.employee_rows import check_rows
from shared.service.failpoints import FailpointHit, Failpoints
from tests.support.chunks import LAYOUT, row


@pytest.mark.parametrize("setting", ["", '{"consumer.after_commit": {"action": "kill"}}'])
def test_without_a_row_to_fail_at_nothing_stands_in_front_of_the_check(setting: str) -> None:
    assert rows_check(Failpoints(setting)) is check_rows


def test_row_with_the_named_cell_fails_every_time_and_the_others_are_checked() -> None:
    setting = {"consumer.row": {"action": "raise", "text": "cursed@example.com"}}
    check = rows_check(Failpoints(json.dumps(setting)))

    for _ in range(2):
        with pytest.raises(FailpointHit):
            check([row("fine@example.com"), row("cursed@example.com")], LAYOUT)
    assert not check([row("fine@example.com")], LAYOUT).faults
