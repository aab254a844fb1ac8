"""People by their emails: wherever a text names one of them, and what is left of a text once they are erased from it.

An email is looked for as a word among others, in whatever case, form of Unicode or wrapping it is written: a cell may
be `Ada <ADA@x.example>`, a note that mentions her, or what a row was refused for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from shared.rows.employee_row import joined_value
from shared.rows.fields import KEY
from shared.rows.layout import Layout
from shared.rows.rules.text import INVISIBLE, JOINERS

# What stands in the place of a cell, or of a word in it.
ERASED: Final = "[erased]"

_unseen = re.compile(f"[{INVISIBLE}{JOINERS}]")
_word = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,200}@[\w-]+(?:\.[\w-]+)*")
# They may stand in an email, and before one that is quoted or follows a sign.
_AROUND: Final = ".!#$%&'*+/=?^_`{|}~-"
_LONGEST: Final = 254


def folded(text: str) -> str:
    """Two texts that read the same are the same: without case, invisible characters and forms of Unicode."""
    if text.isascii():
        return text.lower()
    seen = _unseen.sub("", unicodedata.normalize("NFKC", text))
    return unicodedata.normalize("NFKC", seen.casefold())


def folded_email(text: str) -> str | None:
    """An email as it is looked for, whether or not it would be taken in a row; None for what is no email."""
    email = folded(text).strip()
    is_email = len(email) <= _LONGEST and _word.fullmatch(email) is not None and email in _emails(email)
    return email if is_email else None


class ErasedCells(NamedTuple):
    """What is left of a row. `is_whole`: it was one of theirs; else it is another's, and names them in a cell."""

    cells: list[str]
    is_whole: bool


class NamedPeople:
    """Those of whose folded emails the function says so."""

    def __init__(self, is_one: Callable[[str], bool]) -> None:
        self._is_one = is_one

    def are_named_in(self, text: str) -> bool:
        text = folded(text)
        return "@" in text and any(map(self._is_one, _emails(text)))

    def erase_from(self, text: str, put: Callable[[str], str] = lambda _: ERASED) -> str:
        """The text without their emails. Where they cannot be taken out by themselves, nothing of it is left."""
        if not self.are_named_in(text):
            return text
        left = _word.sub(lambda found: put(found[0]) if self.are_named_in(found[0]) else found[0], text)
        return put(text) if self.are_named_in(left) else left

    def erase_from_row(self, cells: Sequence[str], layout: Layout, *, is_broken: bool = False) -> ErasedCells | None:
        """None when the row names none of them.

        It is another's only if its own email is clean and nothing else is wrong with its cells: of a row that is
        `is_broken`, or has not the width of the file, nobody knows whose it is.
        """
        if not any(map(self.are_named_in, cells)):
            return None
        own = joined_value(cells, layout, KEY)
        is_anothers = isinstance(own, str) and own != "" and not self.are_named_in(own)
        if is_anothers and not is_broken and len(cells) == layout.width:
            return ErasedCells([self.erase_from(cell) for cell in cells], is_whole=False)
        return ErasedCells(without_words(cells), is_whole=True)


def without_words(cells: Sequence[str]) -> list[str]:
    """As many cells, of which those that said something say no more."""
    return [ERASED if cell.strip() else "" for cell in cells]


def _emails(text: str) -> Iterator[str]:
    """The words of a folded text that may be emails, each as it may be meant."""
    for found in _word.finditer(text):
        word = found[0].rstrip("-_")
        yield word
        bare = word.lstrip(_AROUND)
        while bare != word:
            word = word[1:]
            yield word
