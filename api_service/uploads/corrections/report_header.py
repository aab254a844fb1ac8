"""The header of a corrected report: which of its columns are which of the upload's, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from api_service.uploads.corrections.corrected_cells import CorrectedCells
from api_service.uploads.report_columns import REPORT_COLUMNS, RESULT_COLUMNS, SURPLUS_COLUMN
from shared.errors import FileCode, FileProblem
from shared.rows.column_names import folded
from shared.rows.column_problems import quoted
from shared.rows.column_source import ColumnSource, Why
from shared.rows.fields import KEY_NAME
from shared.rows.file_columns import ColumnsFound
from shared.rows.format_options import FormatOptions
from shared.rows.formula import unescape_formula
from shared.rows.head_text import HeadText, count_lines
from shared.rows.record_parser import Dialect

ROW_NUMBER: Final = "row_number"
LINE_NUMBER: Final = "line_number"
_RECORDS_SEARCHED: Final = 20


class ReportColumns(NamedTuple):
    """Indices of a report's columns: `own` maps each that is one of the upload's to where that is in its rows.

    `is_whole`: it has all of the upload's own columns.
    """

    row_number: int
    line_number: int | None
    surplus: int | None
    own: dict[int, int]
    is_whole: bool
    ignored: list[str]


def judge_report(
    upload: CorrectedCells, text: HeadText, delimiters: Sequence[str], options: FormatOptions, _codec: str = ""
) -> ColumnsFound:
    """As `judge_columns` of any file. The header is the first record that has a column `row_number`.

    Raises FileProblem missing_columns and unknown_column.
    """
    for delimiter in delimiters:
        dialect = Dialect(delimiter, options.backslash_escapes, 0, ())
        for record in islice(text.records(dialect, text.first_line), _RECORDS_SEARCHED):
            names = tuple(unescape_formula(cell.strip()) for cell in record.cells)
            if record.fault is not None or folded(ROW_NUMBER) not in map(folded, names):
                continue
            columns = find_report_columns(upload, names)
            email = tuple(at for at, place in columns.own.items() if place in upload.layout.columns.get(KEY_NAME, ()))
            sources = {KEY_NAME: ColumnSource(email, Why.MAPPING)} if email else {}
            first_row_line = record.line_number + count_lines(record)
            return ColumnsFound(delimiter, names, sources, record.line_number, first_row_line, ())
    raise FileProblem(
        FileCode.MISSING_COLUMNS,
        "The file has no column row_number, which says which rejects its rows correct: take the upload's rejects.csv, "
        "and leave that column as it is.",
    )


def find_report_columns(upload: CorrectedCells, names: Sequence[str]) -> ReportColumns:
    """Raises FileProblem missing_columns and unknown_column."""
    own_names = upload.columns.names
    row_number = _report_column(ROW_NUMBER, names, own_names, before=LINE_NUMBER)
    if row_number is None:
        raise FileProblem(
            FileCode.MISSING_COLUMNS,
            "The file lacks the column row_number that the report had behind the columns of the file: take it anew.",
        )
    line_number = _report_column(LINE_NUMBER, names, own_names, behind=row_number)
    free = dict(enumerate(names))
    for at in (row_number, line_number):
        if at is not None:
            del free[at]
    own = _matched(upload, free)
    surplus = next((at for at, name in free.items() if folded(name) == folded(SURPLUS_COLUMN)), None)
    added = {folded(name) for name in (*REPORT_COLUMNS, *RESULT_COLUMNS, SURPLUS_COLUMN, "")}
    ignored = [name for name in free.values() if folded(name) not in added]
    places = dict(zip(upload.columns.indices, own_names, strict=True))
    lacking = [name for at, name in places.items() if at not in own.values() and name]
    if ignored and lacking:
        raise FileProblem(
            FileCode.UNKNOWN_COLUMN,
            f"The upload has no column {quoted(ignored)}, and the file lacks {quoted(lacking)}: call the columns as "
            "the upload does, or remove those that are none of its.",
        )
    if not own:
        raise FileProblem(
            FileCode.MISSING_COLUMNS, f"The file has none of the upload's columns, which are {quoted(own_names)}."
        )
    return ReportColumns(row_number, line_number, surplus, own, not lacking, ignored)


def _matched(upload: CorrectedCells, free: dict[int, str]) -> dict[int, int]:
    """The upload's columns by name: as it is written, as it is compared, or as the field's. They are no longer free.

    Of several with one name the first is the first.
    """
    own: dict[int, int] = {}
    places = list(zip(upload.columns.indices, upload.columns.names, strict=True))
    fields = {at[0]: name for name, at in upload.layout.columns.items() if len(at) == 1}
    for rule in (
        lambda name, _, wanted: name == wanted,
        lambda name, _, wanted: bool(folded(wanted)) and folded(name) == folded(wanted),
        lambda name, place, _: place in fields and folded(name) == folded(fields[place]),
    ):
        for place, wanted in places:
            found = next((at for at, name in free.items() if rule(name, place, wanted)), None)
            if found is not None and place not in own.values():
                own[found] = place
                del free[found]
    return own


def _report_column(
    name: str, names: Sequence[str], own_names: Sequence[str], *, before: str = "", behind: int = -1
) -> int | None:
    """The report's column of a name that one of the upload's own may have too: beside the other one, or the last."""
    found = [at for at, each in enumerate(names) if folded(each) == folded(name)]
    beside = [
        at
        for at in found
        if (before and [folded(each) for each in names[at + 1 : at + 2]] == [folded(before)])
        or (behind >= 0 and at == behind + 1)
    ]
    if beside:
        return beside[-1]
    own = sum(folded(each) == folded(name) for each in own_names)
    return found[-1] if len(found) > own else None
