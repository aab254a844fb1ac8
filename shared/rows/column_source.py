"""Where a field comes from, and why: what the sender is shown, so that a wrong guess is seen."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Why(StrEnum):
    """The reason for which columns were taken for a field."""

    CANONICAL_NAME = "canonical_name"
    ALIAS = "alias"
    MAPPING = "mapping"
    POSITION = "position"
    PARTS_JOINED = "parts_joined"
    FULL_NAME = "full_name"
    OTHER_IS_BLANK = "other_is_blank"
    OTHER_IS_A_CODE = "other_is_a_code"


class ColumnSource(NamedTuple):
    """The columns of a field, in the order in which their cells are joined, and others that could have been it."""

    columns: tuple[int, ...]
    why: Why
    passed_over: tuple[int, ...] = ()
