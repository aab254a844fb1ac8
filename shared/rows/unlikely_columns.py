"""Whether the columns that were chosen hold what they should: a wrong guess is asked about before it costs all rows.

A row that breaks its field's rule is refused for itself. Here a cell counts only if it is nothing of the kind: a list
of broken phone numbers is still one of phone numbers. A file whose columns bear the fields' own names was made for us,
and its cells count only if they are what another field is. A report of rejects that comes back has only rows that were
refused, so nothing is unlikely in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from shared.errors import FileCode, FileProblem
from shared.rows.column_problems import quoted
from shared.rows.column_source import ColumnSource, Why
from shared.rows.fields import FIELDS, Field
from shared.rows.report_signs import SIGNS_OF_A_REPORT
from shared.rows.rules import EMAIL, MOBILE, MOBILE_DIGITS, Rule, is_email
from shared.rows.sample import Sample, SampledCell

_LEAST_CELLS: Final = 4
_MOST_UNLIKELY: Final = 0.5
_MOST_CHARACTERS: Final = 200
_code = re.compile(r"[A-Z]{0,5}[-_#/.]?[0-9]{3,}")
# A number that a spreadsheet has damaged is a number all the same.
_damaged_number = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+|#[A-Z/0]+[!?]?")
_address = re.compile(r"[^\s@].*@.*[^\s@]", re.DOTALL)

_RULES: Final[Mapping[Rule, str]] = {
    MOBILE: f"a phone number has at least {MOBILE_DIGITS[0]} digits",
    EMAIL: "an email address has an @ between a name and a domain",
}
_A_NAME: Final = "a name is no email address, phone number or code"


def require_likely(names: Sequence[str], sources: Mapping[str, ColumnSource], sample: Sample) -> None:
    """Raises FileProblem unlikely_columns, with the positions of cells and nothing of what they hold."""
    if SIGNS_OF_A_REPORT.issubset(names):
        return
    own_names = all(names[place] == field for field, source in sources.items() for place in source.columns)
    errors = []
    for field in FIELDS:
        source = sources.get(field.name)
        if source is None or source.why is Why.MAPPING or len(source.columns) > 1:
            continue
        [place] = source.columns
        cells = sample.cells(place)
        wrong = [cell for cell in cells if _looks_wrong(field, cell.text, source.why, own_names=own_names)]
        if len(cells) >= _LEAST_CELLS and len(wrong) > _MOST_UNLIKELY * len(cells):
            errors.append(_error(field, names[place], place, wrong, len(cells)))
    if errors:
        raise FileProblem(
            FileCode.UNLIKELY_COLUMNS,
            f"Columns seem to hold something else than they are called: {'; '.join(each['detail'] for each in errors)}."
            " Say with `mapping` which columns are the right ones, or send `header=present` if these are.",
            tuple(errors),
        )


def _error(field: Field, name: str, place: int, wrong: Sequence[SampledCell], cell_count: int) -> dict[str, str]:
    first, second = wrong[:2]
    detail = (
        f"{quoted([name])} is taken for {field.name}, but {len(wrong)} of its first {cell_count} cells do not look "
        f"like it: {_RULES.get(field.rule, _A_NAME)}. See line {first.line_number}, column {place + 1}, and line "
        f"{second.line_number}, column {place + 1}"
    )
    return {"field": field.name, "column": name[:_MOST_CHARACTERS], "detail": detail}


def _looks_wrong(field: Field, text: str, why: Why, *, own_names: bool) -> bool:
    if field.rule is EMAIL:
        return _is_number(text) if own_names else not _address.search(text) and not _damaged_number.fullmatch(text)
    if field.rule is MOBILE:
        return is_email(text) if own_names else not _has_digits_enough(text) and not _damaged_number.fullmatch(text)
    if field.never_a_code:
        is_code = field.half_kinds and why is Why.ALIAS and _code.fullmatch(text)
        return is_email(text) or _is_number(text) or bool(is_code)
    return False


def _has_digits_enough(text: str) -> bool:
    return sum(map(str.isdigit, text)) >= MOBILE_DIGITS[0] and not is_email(text)


def _is_number(text: str) -> bool:
    return _has_digits_enough(text) and not any(map(str.isalpha, text))
