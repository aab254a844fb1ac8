"""Any text, and the characters that a text may have."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from shared.errors import RowCode
from shared.rows.rules.rule import RowFault, Rule

# Unicode's White_Space but for the plain space. U+001C to U+001F, which Python also calls space, are refused.
SPACES: Final = r"\t-\r\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# What nobody sees, and what makes two different names look alike or turns text around.
INVISIBLE: Final = r"\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
# Control characters, and invisible ones; those beyond the others belong to notes and flags, and are trimmed nowhere.
REFUSED: Final = (
    rf"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f{INVISIBLE}\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e007f"
)
# A lone surrogate, or what a decoder puts where it could not read a byte.
UNREADABLE: Final = r"\ud800-\udfff\ufffd"
# Persian and Indic names are spelt with these two, so they stay; at the ends they join nothing and are trimmed.
JOINERS: Final = "\u200c\u200d"

_space_run = re.compile(rf"[ {SPACES}]+")


def text_rule(limit: int) -> Rule:
    """Any text of at most so many characters."""

    def clean(field: str, text: str) -> str | RowFault:
        single = single_spaced(text)
        return too_long(field, single, limit) or single

    # Two spaces in a row are left to whoever joins the cells.
    ends = f" {_UNCERTAIN}{JOINERS}"
    pattern = f"[^'{ends}](?:[^{_UNCERTAIN}]{{0,{limit - 2}}}[^{ends}])?"
    return Rule(limit, clean, pattern)


def single_spaced(text: str) -> str:
    """With one space for each run of white space, line ends among it."""
    return _space_run.sub(" ", text)


def name_of(character: str) -> str:
    """As a person can look it up: most of the characters that are refused cannot be seen."""
    number = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "")
    return f"{name} ({number})" if name else number


def too_long(field: str, text: str, limit: int) -> RowFault | None:
    if len(text) <= limit:
        return None
    return RowFault(
        RowCode.VALUE_TOO_LONG, field, f"{field} has {len(text)} characters: shorten it to {limit} at most."
    )


def _outside_nfc() -> str:
    """The characters of the basic plane that a text in NFC may lack: marks, what is composed, and with what."""
    found = set()
    for code in (*range(0x300, 0xAC00), *range(0xF900, 0x10000)):
        character = chr(code)
        if unicodedata.combining(character) or not unicodedata.is_normalized("NFC", character):
            found.add(character)
        elif " " in (parts := unicodedata.decomposition(character)) and parts[0] != "<":
            found.add(chr(int(parts.rpartition(" ")[2], 16)))
    # Vowels and final consonants that join with the letter before them into one syllable.
    return "".join(sorted(found)) + "\u1160-\u11ff\ud7b0-\ud7ff"


# A text without these is in NFC, is not marked as text, and holds no error value: whoever has one is looked at alone.
_UNCERTAIN: Final = rf"#:={SPACES}{REFUSED}{UNREADABLE}{_outside_nfc()}\U00010000-\U0010ffff"
