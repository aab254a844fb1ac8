"""Reads a search term: the rows that it matches, and the index that has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from shared.database.tables import SEARCH_TEXT, SEARCHED

# No value that is searched is longer, so a longer term matches nothing.
MAX_TERM_LENGTH: Final = max(field.rule.limit for field in SEARCHED)

# The start of the text, or any ASCII character that is no letter and no digit; among them the newline that parts
# name and email. A class of few characters, because pg_trgm gives up on large ones such as [^[:alnum:]].
_WORD_START: Final = r"(^|[\n !\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])"


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
    """A test of a text, `{}`, whose `$1` is `pattern`. What has `trigrams` is found sooner by looking for rows that
    have some of those, and holding only these rows to the test.

    A term matches, whatever its case, inside the name or inside the email. One of one or two characters that begins
    with a letter or digit matches only where a word starts: at the start of the name or email, or after an ASCII
    character that is neither letter nor digit. White space around a term does not count.
    """

    test: str
    pattern: str
    lookup_part: LookupPart = LookupPart.EITHER
    trigrams: tuple[str, ...] = ()

    @property
    def condition(self) -> str:
        """On a row of `employees`; no index answers it."""
        return self.test.format(SEARCH_TEXT)


_CONTAINS: Final = "{} LIKE lower($1::text)"
_STARTS_A_WORD: Final = "{} ~ lower($1::text)"
# The parameter is there, so that every test is run alike.
_NOTHING: Final = "lower($1::text) IS NULL"


def parse_search_term(text: str) -> SearchTerm | None:
    """None when there is nothing but white space: no search at all."""
    term = text.strip()
    if not term:
        return None
    if len(term) > MAX_TERM_LENGTH or any(character in term for character in "\0\n\r"):
        # Stored values have no such characters; the index's newline must not be found either.
        return SearchTerm(_NOTHING, "")
    if len(term) <= 2 and term[0].isalnum():
        return SearchTerm(_STARTS_A_WORD, _WORD_START + re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", term))
    part = _lookup_part(term)
    looked_up = term.partition("@")[0] if part is LookupPart.LOCAL_PART else term
    pattern = "%" + re.sub(r"([%_\\])", r"\\\1", term) + "%"
    return SearchTerm(_CONTAINS, pattern, part, _distinct_trigrams(looked_up))


def _lookup_part(term: str) -> LookupPart:
    local_part, at_sign, domain = term.partition("@")
    if not at_sign or not domain or "@" in domain:
        return LookupPart.EITHER
    # Any letter or digit but a lone first one makes a trigram, with the end of its word.
    return LookupPart.LOCAL_PART if any(character.isalnum() for character in local_part[1:]) else LookupPart.DOMAIN


def _distinct_trigrams(term: str) -> tuple[str, ...]:
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
