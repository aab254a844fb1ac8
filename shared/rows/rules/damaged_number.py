"""What spreadsheets make of a number that nobody formatted as text: a scientific or decimal number, or a date."""

from __future__ import annotations

import re
from typing import Final

_AGAIN: Final = "format the column as text, enter the number again and export anew."

# 9.19E+11, 9,19E+11, 9.19 x 10^11: digits are lost. 7567377093.0 went through a float: without its dot it would have a
# digit more.
_number = re.compile(
    r"[+-]?[0-9]+(?:[.,][0-9]*)? ?[eE] ?[+-]?[0-9]+"
    r"|[+-]?[0-9]+(?:[.,][0-9]*)? ?[x*×·] ?10(?:\^|\*\*)?[+-]?[0-9]+"
    r"|[+-]?[0-9]{7,}[.,](?:0+|[0-9]{1,2})"
)

_DAY: Final = r"(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH: Final = r"(?:0?[1-9]|1[0-2])"
_YEAR: Final = r"(?:19|20)[0-9]{2}"
_TIME: Final = (
    r"(?:[T ,]+[0-9]{1,2}[:.][0-9]{2}(?:[:.][0-9]{2}(?:[.,][0-9]+)?)?"
    r"(?: ?[ap]\.?m\.?)?(?: ?Z| ?[+-][0-9]{2}:?[0-9]{2})?)?"
)
# How months begin in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish and the Nordic languages.
_MONTH_NAME: Final = (
    r"(?:jan|ene|gen|sty|feb|fév|fev|lut|mar|mär|mrz|maa|mrt|apr|avr|abr|kwi|may|mai|mei|mag|maj|jun|jui|giu|cze|jul|"
    r"lug|lip|aug|aoû|aou|ago|sie|sep|set|wrz|oct|okt|ott|out|paź|nov|lis|dec|dez|déc|dic|des|gru)[^\W\d]{0,9}\.?"
)
_date = re.compile(
    rf"(?:{_DAY}([./-] ?){_MONTH}\1|{_MONTH}([./-] ?){_DAY}\2)(?:{_YEAR}|[0-9]{{2}})\.?{_TIME}"
    rf"|{_YEAR}([./-] ?){_MONTH}\3{_DAY}\.?{_TIME}"
    rf"|(?:[^\W\d]+\.?,? )?[0-9]{{1,4}}\.?(?:[-/ ]| de )?{_MONTH_NAME}(?:(?:[-/, ]{{1,2}}| de )[0-9]{{1,4}})?{_TIME}"
    rf"|(?:[^\W\d]+\.?,? )?{_MONTH_NAME}[-/ ][0-9]{{1,4}}(?:, ?| )?(?:{_YEAR})?{_TIME}"
    r"|[0-9]{4} ?[年년] ?[0-9]{1,2} ?[月월] ?(?:[0-9]{1,2} ?[日일])?",
    re.IGNORECASE,
)


def damage_of(text: str) -> str | None:
    """What a spreadsheet did to the number, and what to do now; None if nothing is to be seen."""
    if _number.fullmatch(text):
        return f"was turned into a decimal or scientific number by a spreadsheet: {_AGAIN}"
    if _date.fullmatch(text):
        return f"is a date, perhaps because a spreadsheet took it for one: {_AGAIN}"
    return None
