"""What the name of a column says, whatever its language and spelling.

Names are compared by their letters and digits alone, without case and accents. A text in brackets counts if the name is
known with it ("Phone (mobile)"), and is left out if not ("Email (required)"), unless it speaks of somebody or something
else ("Email (manager)").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from shared.rows.fields import FIELDS
from shared.rows.header_names import (
    dutch,
    english,
    french,
    german,
    italian,
    polish,
    portuguese,
    programs,
    spanish,
)

TABLES: Final = (english, german, french, spanish, italian, portuguese, dutch, polish, programs)
_SOMEBODY_ELSE: Final = "somebody_else"
# No name that is known is half as long.
_LONGEST_NAME: Final = 120
# Letters that Unicode does not take apart, and the sign that stands for the o of "numéro".
_PLAIN: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "°": "o"})
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_not_plain = re.compile(r"[^a-z0-9]+")
_brackets = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|（([^（）]*)）")
_words = re.compile(r"\w+")
# "Phone #" is a number, and "Employee #" is nobody's name.
_number_signs = ("#", "№")


def folded(name: str) -> str:
    """Two names with the same are the same name; empty for a name without a letter or digit."""
    if len(name) > _LONGEST_NAME:
        return name
    if name.isascii():
        return _not_plain.sub("", name.lower())
    letters = unicodedata.normalize("NFKD", name).casefold().translate(_PLAIN)
    return "".join(filter(str.isalnum, letters))


def folded_words(text: str) -> frozenset[str]:
    """The words of a cell, compared as names are."""
    return frozenset(filter(None, map(folded, _words.findall(unicodedata.normalize("NFC", text)))))


class NamedColumn(NamedTuple):
    """A column by its name: `rank` is lower the surer it is that this is the one that is looked for."""

    rank: tuple[int, bool]
    place: int


class ColumnNames:
    """The names of a header, by what they say."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._by_kind: dict[str, list[tuple[bool, int]]] = {}
        for place, name in enumerate(names):
            if (found := _kind_of(name)) is not None:
                kind, is_guess = found
                self._by_kind.setdefault(kind, []).append((is_guess, place))

    def of_kinds(self, kinds: Sequence[str]) -> list[NamedColumn]:
        """Best first: in the order of the kinds, and of one kind those that are known with all that they say."""
        return sorted(
            NamedColumn((rank, is_guess), place)
            for rank, kind in enumerate(kinds)
            for is_guess, place in self._by_kind.get(kind, ())
        )

    def called(self, name: str) -> list[int]:
        """The columns of this name: as it is written, or else as it is compared."""
        wanted = name.strip()
        exact = [place for place, column in enumerate(self.names) if column == wanted]
        same = folded(wanted)
        return exact or [place for place, column in enumerate(self.names) if same and folded(column) == same]


def _known_names() -> Iterator[tuple[str, str]]:
    for field in FIELDS:
        yield folded(field.name), field.name
        for alias in field.aliases:
            yield folded(alias), field.name
    for table in TABLES:
        for kind, names in table.NAMES.items():
            for name in names:
                yield folded(name), kind
                yield folded(name.translate(_UMLAUTS)), kind


_KIND_OF: Final[Mapping[str, str]] = {name: kind for name, kind in _known_names() if kind != _SOMEBODY_ELSE}
_ELSEWHERE: Final = frozenset(name for name, kind in _known_names() if kind == _SOMEBODY_ELSE)
_HALF_KINDS: Final = frozenset(kind for field in FIELDS for kind in field.half_kinds)


def _kind_of(name: str) -> tuple[str, bool] | None:
    """The kind, and whether a text in brackets had to be left out for it."""
    if len(name) > _LONGEST_NAME:
        return None
    kind = _KIND_OF.get(folded(name))
    if kind is not None:
        is_number = kind in _HALF_KINDS and name.rstrip().endswith(_number_signs)
        return None if is_number else (kind, False)
    inside = [text for found in _brackets.findall(name) for text in found if text]
    if not inside or any(folded(text) in _ELSEWHERE or folded_words(text) & _ELSEWHERE for text in inside):
        return None
    kind = _KIND_OF.get(folded(_brackets.sub(" ", name)))
    return None if kind is None else (kind, True)
