"""How a header is refused: with the columns it has, and with what the sender can say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from shared.duplicate_mode import DUPLICATE_MODES
from shared.errors import FileCode, FileProblem
from shared.rows.fields import FIELD_NAMES, FIELDS, REQUIRED_NAMES

_MOST_NAMES_SHOWN: Final = 20
_MOST_CHARACTERS_SHOWN: Final = 40


def ambiguous(field: str, names: Sequence[str], places: Iterable[int], why: str = "") -> FileProblem:
    shown = quoted([names[place] for place in sorted(set(places))])
    return FileProblem(
        FileCode.AMBIGUOUS_COLUMNS,
        f"More than one column could be {field}: {shown}. {why}Say which one with `mapping`, or rename the others.",
        ({"field": field, "detail": f"could be any of {shown}"},),
    )


def unknown_column(field: str, name: str, names: Sequence[str]) -> FileProblem:
    return FileProblem(
        FileCode.UNKNOWN_COLUMN,
        f"The mapping of {field} names the column {quoted([name])}, which the header lacks. It has: {quoted(names)}.",
    )


def missing_columns(missing: Sequence[str], names: Sequence[str], line_number: int | None = None) -> FileProblem:
    """`line_number` is that of the line that comes nearest to a header."""
    return FileProblem(
        FileCode.MISSING_COLUMNS,
        f"The file has no column for {', '.join(missing)}. {_where(line_number)} has: {quoted(names)}. Rename the "
        "columns, say what is what with `mapping`, where the header is with `headerLine`, or give `delimiter` if the "
        f"line is cut in the wrong places.{_may_lack(missing)}",
        tuple({"field": name, "detail": _hint(name)} for name in missing),
    )


def no_header(line_number: int) -> FileProblem:
    return FileProblem(
        FileCode.NO_HEADER,
        f"The file has no header: line {line_number} holds somebody's data. Put a line with the names of the columns "
        f"on top; or send `header=absent` if the columns are {','.join(REQUIRED_NAMES)}, in this order; or say with "
        "`columns` which they are, in the order of the file, with - for one that is none of the fields, such as "
        "`columns=-,email,first name,last name,mobile_no,company_name`.",
    )


def employee_above_header(line_number: int, header_line: int) -> FileProblem:
    return FileProblem(
        FileCode.NO_HEADER,
        f"Line {line_number} looks like an employee, and stands above the header on line {header_line}. Move the "
        f"header to the top, or send `headerLine={header_line}` if nothing above it is to be read.",
    )


def no_such_line(line_number: int) -> FileProblem:
    return FileProblem(
        FileCode.NO_HEADER,
        f"The file has no header on line {line_number}, where `headerLine` says that it is: the file ends before.",
    )


def empty_file() -> FileProblem:
    return FileProblem(FileCode.EMPTY_FILE, "The file is empty: it needs a header line, and a line for each employee.")


def header_too_long(most_columns: int, most_bytes: int) -> FileProblem:
    return FileProblem(
        FileCode.HEADER_TOO_LONG,
        f"The header may have {most_columns} columns and {most_bytes} bytes, and this one has more. Leave out columns "
        "that are no employee's name, company, mobile or email; or give `delimiter`, if the line is cut wrongly.",
    )


def quoted(names: Sequence[str]) -> str:
    """So many names as an answer has room for."""
    shown = [
        f"“{name[:_MOST_CHARACTERS_SHOWN]}{'…' if len(name) > _MOST_CHARACTERS_SHOWN else ''}”"
        for name in names[:_MOST_NAMES_SHOWN]
    ]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _where(line_number: int | None) -> str:
    if line_number is None:
        return "`columns`"
    return "The first line" if line_number == 1 else f"Line {line_number}"


def _may_lack(missing: Sequence[str]) -> str:
    """What the sender can say if the file is to lack them; the same in every duplicate mode."""
    if any(field.optional_in != DUPLICATE_MODES for field in FIELDS if field.name in missing):
        return ""
    return f" If it is to lack them, send `optional={','.join(missing)}`."


def _hint(name: str) -> str:
    hint = f"no column is called {name} or has one of its other names"
    needed = [part.name for part in FIELDS[FIELD_NAMES.index(name)].parts if part.is_needed]
    if needed:
        hint += f"; a {needed[0]} needs a {needed[1]} beside it, and the other way round"
    return hint
