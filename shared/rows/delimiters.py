"""Which characters may stand between cells, and under which names they are given."""

from __future__ import annotations

from typing import Final

from shared.errors import FileCode, FileProblem

DELIMITERS: Final = (",", ";", "\t", "|")
_WORDS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
# A delimiter that every email or mobile contains would cut all rows to pieces.
_NEVER: Final = frozenset("\"' @.+-_=")


def parse_delimiter(text: str) -> str:
    """Take the character itself or its name (comma, semicolon, tab, pipe). Raises FileProblem invalid_delimiter."""
    delimiter = _WORDS.get(text.strip().lower(), text)
    if not may_delimit(delimiter):
        raise FileProblem(
            FileCode.INVALID_DELIMITER,
            "The delimiter must be one character such as , ; or |, or one of the words comma, semicolon, tab, pipe; no "
            "letter, digit, quote, white space or character that emails and numbers are made of.",
        )
    return delimiter


def may_delimit(text: str) -> bool:
    is_visible = text == "\t" or text.isprintable()
    return len(text) == 1 and is_visible and not text.isalnum() and text not in _NEVER
