"""What a rule is.

A rule is said twice: for one cell, with the reason of a refusal, and as a pattern that finds thousands of clean ones at
once (`employee_rows`). The pattern may be narrower than the rule and never wider; a property test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.errors import RowCode


class RowFault(NamedTuple):
    """Why a row is refused. The message says what to do about it, and never quotes the cell."""

    code: RowCode
    field: str | None
    message: str


class CleanColumn(NamedTuple):
    """A field of many rows as it is stored, and the indices of those that are to be looked at one by one."""

    values: Sequence[str]
    uncertain: Sequence[int]


@dataclass(frozen=True, slots=True)
class Rule:
    """`limit` is how many characters a stored value may have.

    `clean` takes a field's name and its text, which is bare (`shared.rows.cell_text`), not empty and free of characters
    that no field may have; white space stands in it as in the file. `pattern` matches a cell that stays as it is, or
    that `clean_column` makes into what is stored; `employee_rows` says what it need not exclude.
    """

    limit: int
    clean: Callable[[str, str], str | RowFault]
    pattern: str
    clean_column: Callable[[Sequence[str]], CleanColumn] | None = None
