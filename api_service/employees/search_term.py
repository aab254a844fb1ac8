"""Reads a search term: the rows that it matches, and the index that has them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from shared.database.tables import SEARCH_TEXT, SEARCHED

# No value that is searched is longer, so a longer term matches nothing.
MAX_TERM_LENGTH: Final = max(field.rule.limit for field in SEARCHED)

# Where a word starts: at the start of the text, or after one of these, all ASCII characters that are no letter and no
# digit; among them the newline that parts name and email. A class of few characters, because pg_trgm gives up on large
# ones such as [^[:alnum:]].
_WORD_BORDERS: Final = "\n !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

_ASCII_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
_LIKE_WILDCARDS: Final = re.compile(r"([%_\\])")

# So many trigrams are looked up for a term that has more: few rows have them all and not the term, and each further one
# costs as much as each of these.
LOOKED_UP_TRIGRAMS: Final = 4


class LookupPart(Enum):
    """By which part of a term its rows are looked up: the search index ends with an email's @, domains begin behind it.

    A name may have any term in it.
    """

    EITHER = auto()  # all of it, in both indexes
    LOCAL_PART = auto()  # what stands before the @
    DOMAIN = auto()  # what stands after the @, for nothing before it has a trigram


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """A test of a text, `{0}`, whose `$1` is `pattern`; `indexed_test` says the same so that an index answers it. What
    has `trigrams` is found sooner by looking for rows that have some of those, and holding only these rows to the test.

    A term matches, whatever its case, inside the name or inside the email. One of one or two characters that begins
    with a letter or digit matches only where a word starts: at the start of the name or email, or after an ASCII
    character that is neither letter nor digit. White space around a term does not count.
    """

    test: str
    pattern: str
    lookup_part: LookupPart = LookupPart.EITHER
    trigrams: tuple[str, ...] = ()
    indexed_test: str = field(kw_only=True)

    @property
    def condition(self) -> str:
        """On a row of `employees`; no index answers it."""
        return self.test.format(SEARCH_TEXT)


class TermTooVague(Exception):
    """A term in which no index can look: with it every employee would have to be read."""


def _escaped(text: str) -> str:
    """To mean itself, both in a regular expression and in LIKE."""
    return _ASCII_PUNCTUATION.sub(r"\\\1", text)


def _literal(text: str) -> str:
    """As SQL, in a test."""
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"


_CONTAINS: Final = "{0} LIKE lower($1::text)"
_STARTS_A_WORD: Final = f"{{0}} ~ ({_literal(f'(^|[{_escaped(_WORD_BORDERS)}])')} || lower($1::text))"
_STARTS_A_WORD_BY_LIKE: Final = " OR ".join(
    f"{{0}} LIKE {_literal(before)} || lower($1::text) || '%'"
    for before in ["", *(f"%{_escaped(border)}" for border in _WORD_BORDERS)]
)
# In a regular expression pg_trgm sees no character behind this one.
_LAST_OF_REGULAR_EXPRESSIONS: Final = "\u07ff"
# The parameter is there, so that every test is run alike.
_NOTHING: Final = "lower($1::text) IS NULL"


def parse_search_term(text: str) -> SearchTerm | None:
    """None when there is nothing but white space: no search at all. Raises `TermTooVague`."""
    # As names are stored. A letter and its accent may come as two characters, from a Mac above all.
    term = unicodedata.normalize("NFC", text.strip())
    if not term:
        return None
    if len(term) > MAX_TERM_LENGTH or any(character in term for character in "\0\n\r"):
        # Stored values have no such characters; the index's newline must not be found either.
        return SearchTerm(_NOTHING, "", indexed_test=_NOTHING)
    if len(term) <= 2 and _is_letter_or_digit(term[0]):
        by_like = max(term.lower()) > _LAST_OF_REGULAR_EXPRESSIONS
        return SearchTerm(
            _STARTS_A_WORD, _escaped(term), indexed_test=_STARTS_A_WORD_BY_LIKE if by_like else _STARTS_A_WORD
        )
    if not any(map(_is_letter_or_digit, term[1:])):
        # A trigram is three characters of a word or, at its edges, fewer; a lone first one may be a word's last.
        raise TermTooVague
    part = _lookup_part(term)
    looked_up = term.partition("@")[0] if part is LookupPart.LOCAL_PART else term
    pattern = "%" + _LIKE_WILDCARDS.sub(r"\\\1", term) + "%"
    trigrams = distinct_trigrams(looked_up)
    if any(map(str.isspace, term)):
        # The rarest of several words are often all of one that is common: of "Ximena Garcia" those of Ximena. These
        # few are from all over.
        trigrams = trigrams[:LOOKED_UP_TRIGRAMS]
    return SearchTerm(_CONTAINS, pattern, part, trigrams, indexed_test=_CONTAINS)


def _lookup_part(term: str) -> LookupPart:
    local_part, at_sign, domain = term.partition("@")
    if not at_sign or not domain or "@" in domain:
        return LookupPart.EITHER
    # Any letter or digit but a lone first one makes a trigram, with the end of its word.
    return LookupPart.LOCAL_PART if any(map(_is_letter_or_digit, local_part[1:])) else LookupPart.DOMAIN


def _is_letter_or_digit(character: str) -> bool:
    """As pg_trgm sees it, for which other numbers, such as `²` and `½`, are punctuation."""
    return character.isalnum() and unicodedata.category(character) != "No"


def distinct_trigrams(term: str) -> tuple[str, ...]:
    """Of letters and digits, first some from all over the term; none for a term that has few, or is not all ASCII,
    whose lower case is for Postgres to say.
    """
    lowered = term.lower() if term.isascii() else ""
    pieces = (lowered[start : start + 3] for start in range(len(lowered) - 2))
    every = list(dict.fromkeys(piece for piece in pieces if piece.isalnum()))
    if len(every) <= LOOKED_UP_TRIGRAMS:
        return ()
    step = (len(every) - 1) / (LOOKED_UP_TRIGRAMS - 1)
    spread = [every[round(number * step)] for number in range(LOOKED_UP_TRIGRAMS)]
    return tuple(dict.fromkeys([*spread, *every]))
