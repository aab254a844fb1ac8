"""Where a file's header is, and which column is which field: the rules once more, and none of the services' code.

Of the services it takes what is no rule: the tables of names, and of each field which kinds of names it is taken from.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from shared.rows.fields import FIELDS, Field
from shared.rows.header_names import dutch, english, french, german, italian, polish, portuguese, programs, spanish
from tests.support.reference_reading import FileShape, ReadRecord, looks_like_an_email, read_text

TABLES: Final = (english, german, french, spanish, italian, portuguese, dutch, polish, programs)
SAMPLE_CHARACTERS: Final = 65_536
RECORDS: Final = 20
SAYS_NOTHING: Final = ("", "-", "--", "—", "–", "n/a", "na", "none", "null", "unknown", "?")


class FoundHeader(NamedTuple):
    """`below` is how many physical lines are passed before the first row; a field may be joined from several places."""

    delimiter: str
    columns: list[str]
    below: int
    places: dict[str, tuple[int, ...]]


class Unclear(Exception):
    """The file is to be refused with a question."""


def find_header(text: str, optional: Sequence[str] = ()) -> FoundHeader:
    """Raises Unclear for a file that lacks columns, or has several for a field, or a part of one."""
    first_line, delimiters = 0, [",", ";", "\t", "|"]
    if hint := re.match('"?sep=([,;\t|^])', text, re.IGNORECASE):
        first_line, delimiters = 1, [hint[1], *(other for other in delimiters if other != hint[1])]
    for delimiter in delimiters:
        for record in islice(read_text(text, FileShape(delimiter, 0, 0), first_line), RECORDS):
            columns = [cell.strip() for cell in record.cells]
            if record.code or any(looks_like_an_email(name) for name in columns):
                continue
            needed = [field for field in FIELDS if not field.is_optional and field.name not in optional]
            if all(_could_be_there(field, columns) for field in needed):
                below = record.line_number + sum(cell.count("\n") for cell in record.cells)
                rows = _sampled(read_text(text, FileShape(delimiter, 0, 0), below))
                places = {field.name: _places(field, columns, rows) for field in FIELDS}
                found = {name: place for name, place in places.items() if place}
                return FoundHeader(delimiter, columns, below, found)
    raise Unclear("no header")


def plain(name: str) -> str:
    """A name as it is compared."""
    letters = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name).lower())
    for letter, spelled in (("ß", "ss"), ("ł", "l"), ("ø", "o"), ("œ", "oe"), ("æ", "ae"), ("°", "o")):
        letters = letters.replace(letter, spelled)
    return "".join(letter for letter in letters if letter.isalnum())


def _all_names() -> Iterator[tuple[str, str]]:
    for field in FIELDS:
        for name in (field.name, *field.aliases):
            yield plain(name), field.name
    for table in TABLES:
        for kind, names in table.NAMES.items():
            for name in names:
                yield plain(name), kind
                yield plain(re.sub("[äöüÄÖÜ]", lambda found: found[0] + "e", name)), kind


KINDS: Final = {name: kind for name, kind in _all_names() if kind != "somebody_else"}
ELSEWHERE: Final = {name for name, kind in _all_names() if kind == "somebody_else"}


def _kind(column: str) -> str | None:
    if plain(column) in KINDS:
        kind = KINDS[plain(column)]
        return None if kind in ("name", "employee") and column.rstrip().endswith("#") else kind
    inside = re.findall(r"[(\[（](.*?)[)\]）]", column)
    if inside and not any(ELSEWHERE & {plain(text), *map(plain, text.split())} for text in inside):
        return KINDS.get(plain(re.sub(r"[(\[（].*?[)\]）]", "", column)))
    return None


def _of(kinds: Sequence[str], columns: Sequence[str]) -> list[list[int]]:
    """The places of each kind, best first; of a kind those first whose whole name is known."""
    groups = []
    for kind in kinds:
        of_kind = [place for place, column in enumerate(columns) if _kind(column) == kind]
        whole = [place for place in of_kind if plain(columns[place]) in KINDS]
        groups += [whole, [place for place in of_kind if place not in whole]]
    return [group for group in groups if group]


def _could_be_there(field: Field, columns: Sequence[str]) -> bool:
    if _of((field.name, *field.kinds, *field.half_kinds), columns):
        return True
    return bool(field.parts) and all(_of(part.kinds, columns) for part in field.parts if part.is_needed)


def _sampled(records: Iterator[ReadRecord]) -> list[list[str]]:
    rows, room = [], SAMPLE_CHARACTERS
    for record in records:
        if not record.code and any(cell.strip() for cell in record.cells):
            rows.append([cell.strip() for cell in record.cells])
        room -= len("".join(record.cells)) + len(record.cells)
        if room < 0:
            break
    return rows


def _says(rows: Sequence[Sequence[str]], place: int) -> list[str]:
    """A cell for each row, empty if it says nothing."""
    cells = [row[place] if place < len(row) else "" for row in rows]
    return ["" if cell.lower() in SAYS_NOTHING else cell for cell in cells]


def _is_blank(rows: Sequence[Sequence[str]], place: int) -> bool:
    return bool(rows) and not any(_says(rows, place))


def _is_code(rows: Sequence[Sequence[str]], place: int) -> bool:
    cells = [cell for cell in _says(rows, place) if cell]
    codes = [cell for cell in cells if re.search(r"\d", cell) and " " not in cell]
    return bool(cells) and len(codes) * 10 >= len(cells) * 9


def _one(field: Field, groups: Sequence[Sequence[int]], rows: Sequence[Sequence[str]]) -> int | None:
    """The one column of these."""
    filled = [[place for place in group if not _is_blank(rows, place)] for group in groups]
    best = next((group for group in filled if group), groups[0] if groups else [])
    if len(best) > 1 and field.name in ("employee_name", "company_name"):
        best = [place for place in best if not _is_code(rows, place)]
        if len(best) != 1:
            raise Unclear(field.name)
    if len(best) > 1:
        raise Unclear(field.name)
    return best[0] if best else None


def _places(field: Field, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    whole = _of((field.name, *field.kinds), columns)
    if not field.parts:
        place = _one(field, whole, rows)
        return () if place is None else (place,)
    halves = _of(field.half_kinds, columns)
    parts = [_one(field, _of(part.kinds, columns), rows) for part in field.parts]
    needed = [place for part, place in zip(field.parts, parts, strict=True) if part.is_needed]
    both = None not in needed
    whole = _useful(whole, rows, has_others=bool(halves) or both)
    halves = _useful(halves, rows, has_others=both)
    chosen = _one(field, whole or halves, rows)
    lone = next((place for place in needed if place is not None), None)
    if chosen is not None and not whole and both:
        _require_parts_in(chosen, [place for place in parts if place is not None], rows)
    elif chosen is not None and not whole and lone is not None:
        whole_one = _whole_of(rows, chosen, lone)
        if whole_one is not None:
            return (whole_one,)
        named = zip(field.parts, parts, strict=True)
        parts = [chosen if place is None and part.is_needed else place for part, place in named]
        chosen = None
    elif chosen is None and not both:
        if lone is not None:
            raise Unclear(field.name)
        return ()
    return tuple(place for place in parts if place is not None) if chosen is None else (chosen,)


def _useful(groups: list[list[int]], rows: Sequence[Sequence[str]], *, has_others: bool) -> list[list[int]]:
    useful = [[at for at in group if not _is_blank(rows, at) and not _is_code(rows, at)] for group in groups]
    useful = [group for group in useful if group]
    return useful if useful or has_others else groups


def _words(rows: Sequence[Sequence[str]], one: int, other: int) -> list[tuple[set[str], set[str]]]:
    """The words of two columns, for each row in which both say something."""
    pairs = zip(_says(rows, one), _says(rows, other), strict=True)
    return [(_word_set(first), _word_set(second)) for first, second in pairs if first and second]


def _word_set(text: str) -> set[str]:
    return {plain(word) for word in re.findall(r"\w+", text)} - {""}


def _require_parts_in(whole: int, parts: Sequence[int], rows: Sequence[Sequence[str]]) -> None:
    words = [pair for part in parts for pair in _words(rows, whole, part)]
    if words and not any(part and part <= name for name, part in words):
        raise Unclear("employee_name")


def _whole_of(rows: Sequence[Sequence[str]], half: int, part: int) -> int | None:
    """Which of the two has the other in nine rows of ten; None if none has in any."""
    if not rows:
        return None
    words = _words(rows, half, part)
    telling = [(one, other) for one, other in words if one != other]
    if _is_code(rows, half) or _is_code(rows, part):
        raise Unclear("employee_name")
    if not telling and (words or (_is_blank(rows, part) and not _is_blank(rows, half))):
        return half
    in_half = sum(bool(other) and other <= one for one, other in telling)
    in_part = sum(bool(one) and one <= other for one, other in telling)
    for place, contained in ((half, in_half), (part, in_part)):
        if telling and contained * 10 >= len(telling) * 9:
            return place
    if in_half or in_part or not telling:
        raise Unclear("employee_name")
    return None
