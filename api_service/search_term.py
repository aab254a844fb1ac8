"""What a search term matches, as a condition that the trigram index can answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from shared.database.tables import SEARCH_TEXT

# No name (200) and no email (254) is longer, so a longer term matches nothing.
MAX_TERM_LENGTH: Final = 254

# The start of the text, or any ASCII character that is no letter and no digit; among them the newline that parts
# name and email. A class of few characters, because pg_trgm gives up on large ones such as [^[:alnum:]].
_WORD_START: Final = r"(^|[\n !\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~])"


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """A condition over `employees` whose `$1` is `pattern`.

    A term matches, whatever its case, inside the name or inside the email. One of one or two characters that begins
    with a letter or digit matches only where a word starts: at the start of the name or email, or after an ASCII
    character that is neither letter nor digit. White space around a term does not count.
    """

    condition: str
    pattern: str


# The parameter is there, so that every condition is run alike.
_NOTHING: Final = "lower($1::text) IS NULL"
_CONTAINS: Final = f"{SEARCH_TEXT} LIKE lower($1::text)"
_STARTS_A_WORD: Final = f"{SEARCH_TEXT} ~ lower($1::text)"


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
    return SearchTerm(_CONTAINS, "%" + re.sub(r"([%_\\])", r"\\\1", term) + "%")
