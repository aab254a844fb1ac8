"""What a cell says, without what spreadsheets and web pages put around it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from shared.rows.rules.text import INVISIBLE, JOINERS, SPACES

_ENDS: Final = rf"[ {SPACES}{INVISIBLE}{JOINERS}]"
TRIMMED: Final = "".join(re.findall(_ENDS, "".join(map(chr, range(0x10000)))))
# ="0791…": Excel reads it as the text between the quotes, in which a quote is doubled.
_formula_text = re.compile(r'="((?:[^"]++|"")*+)"', re.DOTALL)
# '0791…: Excel hides an apostrophe that stands before these, and takes what follows for text.
_text_mark = re.compile(r"'(?=[0-9+\-=@])")
_MARKS: Final = ("'", "=")

# What Excel, LibreOffice and Google Sheets show for a formula that failed, in the languages of our headers and more.
_ERRORS: Final = (
    "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!",
    "#CONNECT!", "#UNKNOWN!", "#BUSY!", "#ERROR!", "#GETTING_DATA",
    "#BEZUG!", "#WERT!", "#ZAHL!", "#ÜBERLAUF!", "#KALK!",
    "#VALEUR!", "#NOM?", "#NOMBRE!", "#NUL!", "#PROPAGATION!",
    "#¡REF!", "#¡VALOR!", "#¿NOMBRE?", "#¡DIV/0!", "#¡NUM!", "#¡NULO!", "#N/D",
    "#RIF!", "#VALORE!", "#NOME?", "#NULLO!", "#VALOR!", "#NÚM!", "#NULO!",
    "#N/B", "#VERW!", "#WAARDE!", "#NAAM?", "#DEEL/0!", "#GETAL!", "#LEEG!",
    "#ADR!", "#ARG!", "#NAZWA?", "#DZIEL/0!", "#LICZBA!", "#ZERO!",
    "#SAKNAS!", "#REFERENS!", "#VÄRDEFEL!", "#NAMN?", "#DIVISION/0!", "#OGILTIGT!", "#SKÄRNING!",
)  # fmt: skip
_error = re.compile("|".join(map(re.escape, _ERRORS)), re.IGNORECASE)
# These are an error only by themselves: a German #N/A, one of LibreOffice, and a column too narrow for its number.
_whole_error = re.compile(r"#NV|Err:[0-9]{3}|#{3,}", re.IGNORECASE)


def bare(cell: str) -> str:
    """The cell without white space and invisible characters at its ends, without marks of text, and in NFC.

    What stands inside is as it was.
    """
    text = cell.strip(TRIMMED)
    while text[:1] in _MARKS and (unmarked := _without_mark(text)) is not None:
        text = unmarked.strip(TRIMMED)
    return unicodedata.normalize("NFC", text)


def is_empty(cell: str) -> bool:
    """Whether nothing that is seen stands in the cell."""
    return not bare(cell)


def has_spreadsheet_error(text: str) -> bool:
    """Whether a formula that failed has left its error in the text."""
    if "#" not in text and ":" not in text:
        return False
    return _error.search(text) is not None or _whole_error.fullmatch(text) is not None


def _without_mark(text: str) -> str | None:
    """None for a text without a mark."""
    if found := _formula_text.fullmatch(text):
        return found[1].replace('""', '"')
    return text[1:] if _text_mark.match(text) else None
