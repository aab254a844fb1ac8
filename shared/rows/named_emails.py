"""Whom a row names: the emails that can be read in it, also when it is refused for something else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.rows.employee_row import email_key, joined_value
from shared.rows.fields import FIELDS, KEY
from shared.rows.rules.email import EMAIL_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.rows.layout import Layout

# It takes no more than the rule does, and nearly all emails.
_plain: Final = re.compile(FIELDS[KEY].rule.pattern)


class NamedEmails(NamedTuple):
    """The keys of emails, and of how many rows nobody can say whom they name."""

    keys: frozenset[str]
    unreadable_rows: int


def named_emails(rows: Iterable[Sequence[str]], layout: Layout, broken: Iterable[int] = ()) -> NamedEmails:
    """By the cells of the rows; `broken` are the indices of those that the reader had to refuse.

    Of a row that has not the width of the file, any cell may be the email. What is left of a broken row may be parts of
    several, so it names whoever is found in it and others perhaps.
    """
    keys: set[str] = set()
    unreadable = 0
    broken = frozenset(broken)
    (*columns,) = layout.in_order[KEY]
    only = columns[0] if len(columns) == 1 else None
    for index, cells in enumerate(rows):
        if only is not None and len(cells) == layout.width and index not in broken and _is_plain(cells[only]):
            keys.add(email_key(cells[only]))
            continue
        own = joined_value(cells, layout, KEY)
        found = {email_key(own)} if isinstance(own, str) and own else set()
        is_clean = index not in broken
        if not (found and is_clean and len(cells) == layout.width):
            others = {email_key(cell.strip()) for cell in cells if _is_plain(cell.strip())}
            is_clean = is_clean and bool(found or (others and len(cells) != layout.width))
            found |= others
        keys |= found
        unreadable += not is_clean
    return NamedEmails(frozenset(keys), unreadable)


def _is_plain(text: str) -> bool:
    return len(text) <= EMAIL_LIMIT and ".." not in text and _plain.fullmatch(text) is not None
