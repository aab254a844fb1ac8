"""Compares what became of a file with the reference, row by row: lost, doubled, altered, unexpected.

Each function answers with sentences, one a difference, and none at all when everything is as it has to be.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import asyncpg

from shared.database.tables import EMAIL_DOMAIN
from shared.rows.fields import FIELD_NAMES
from tests.support.reference import Expected, ExpectedEmployee, Rejected, drop_apostrophe

Json = dict[str, Any]

SHOWN: Final = 20
REPORT_COLUMNS: Final = ["row_number", "line_number", "error_code", "error_field", "error_message"]
RESULT_COLUMNS: Final = [*REPORT_COLUMNS[:2], "outcome", *REPORT_COLUMNS[2:], "same_as"]
PLAIN_PHONE: Final = re.compile(r"\+[0-9(][0-9 ().-]*")


async def table_differences(database: asyncpg.Connection, expected: Expected) -> list[str]:
    """All fields of every employee, in constant memory beside the reference's own."""
    differences = await _employee_differences(database, expected, "true")
    total = await database.fetchval("SELECT sum(total)::bigint FROM employee_totals")
    counted = await database.fetchval("SELECT count(*) FROM employees")
    if total != counted:
        differences.append(f"counted as {total} employees: there are {counted}")
    left = await database.fetchrow(
        "SELECT (SELECT sum(left_total)::bigint FROM employee_totals), (SELECT count(left_at) FROM employees)"
    )
    if left is not None and left[0] != left[1]:
        differences.append(f"counted as {left[0]} who have left: they are {left[1]}")
    return differences + await domain_differences(database)


async def domain_differences(database: asyncpg.Connection) -> list[str]:
    """A search for a part of a domain finds only the employees whose domain stands in the table of domains."""
    missing = await database.fetchval(
        f"SELECT count(*) FROM employees WHERE NOT EXISTS (SELECT FROM email_domains WHERE domain = {EMAIL_DOMAIN})"
    )
    return [f"not to be found by their domain: {missing} employees"] if missing else []


async def share_differences(database: asyncpg.Connection, expected: Expected, upload_id: str) -> list[str]:
    """As `table_differences`, of a table that others fill too: what has an expected email or came with this upload."""
    share = "lower(email) = ANY($1) OR upload_sequence = (SELECT sequence FROM uploads WHERE id = $2)"
    return await _employee_differences(database, expected, share, list(expected.employees), upload_id)


async def _employee_differences(
    database: asyncpg.Connection, expected: Expected, condition: str, *values: object
) -> list[str]:
    differences: list[str] = []
    seen: set[str] = set()
    async with database.transaction():
        query = f"SELECT row_number, {', '.join(FIELD_NAMES)} FROM employees WHERE {condition}"
        async for record in database.cursor(query, *values, prefetch=5000):
            found = ExpectedEmployee(record[0], tuple(record)[1:])
            key = found.key
            wanted = expected.employees.get(key)
            if wanted is None:
                differences.append(f"unexpected in the table: row {found.row_number}")
            elif key in seen:
                differences.append(f"doubled in the table: row {wanted.row_number}")
            elif found.values != wanted.values:
                pairs = zip(FIELD_NAMES, found.values, wanted.values, strict=True)
                fields = [name for name, is_, ought in pairs if is_ != ought]
                differences.append(f"altered in the table: row {wanted.row_number}, {', '.join(fields)}")
            seen.add(key)
    lost = sorted(employee.row_number for key, employee in expected.employees.items() if key not in seen)
    differences += [f"lost from the table: row {row_number}" for row_number in lost]
    return _shortened(differences)


_OUTCOMES: Final = ("inserted", "updated", "duplicates", "rejected", "unprocessed")


def count_differences(upload: Json, expected: Expected) -> list[str]:
    """The finished upload as the API shows it; P1 first."""
    wanted: Json = {
        "status": "partially_succeeded" if expected.rejects else "succeeded",
        "rowsRead": expected.rows_read,
        "blankRows": expected.blank_rows,
        "rowsDone": expected.rows_read,
        "inserted": expected.inserted,
        "updated": expected.updated,
        "duplicates": expected.duplicates,
        "rejected": len(expected.rejects),
        "rejectedBy": expected.rejected_by,
        "unprocessed": 0,
        "progress": 1.0,
        "problem": None,
    }
    differences = [f"{name}: {upload[name]}, not {value}" for name, value in wanted.items() if upload[name] != value]
    if upload["rowsRead"] != sum(upload[name] for name in _OUTCOMES):
        differences.insert(0, "unaccounted: the outcomes do not add up to rowsRead")
    return differences


def preview_differences(upload: Json, expected: Expected) -> list[str]:
    """The previewed upload as the API shows it: its preview says what an upload would, and itself has done nothing."""
    preview: Json = upload["preview"]
    differences = [f"{name} of a preview: {upload[name]}, not 0" for name in ("rowsRead", *_OUTCOMES) if upload[name]]
    return [*differences, *count_differences(preview | {"status": preview["outcome"]}, expected)]


def report_differences(report: str, expected: Expected, delimiter: str = ",") -> list[str]:
    """`rejects.csv`: exactly the rejects, in file order, with all their cells, and nothing that runs as a formula."""
    if not report.startswith("\ufeff"):
        return ["the report has no byte order mark"]
    header, *lines = csv.reader(io.StringIO(report[1:], newline=""), delimiter=delimiter)
    surplus = ["surplus_cells"] if "surplus_cells" in header else []
    if header != [*expected.columns, *surplus, *REPORT_COLUMNS]:
        return [f"columns of the report: {header}"]
    width = len(expected.columns)
    differences = []
    for line, wanted in itertools.zip_longest(lines, expected.rejects):
        if line is None:
            differences.append(f"lost from the report: row {wanted.row_number}")
        elif wanted is None:
            differences.append(f"unexpected in the report: row {line[-5]}")
        elif (line[-5], line[-4], line[-3]) != (
            str(wanted.row_number),
            str(wanted.line_number),
            " | ".join(wanted.codes),
        ):
            differences.append(f"in the report row {line[-5]}, line {line[-4]}, {line[-3]} instead of {_place(wanted)}")
        elif not line[-1] or any(_runs_as_a_formula(cell) for cell in line):
            differences.append(f"unexplained or unsafe in the report: row {wanted.row_number}")
        elif not _are_cells_of(wanted, _cells_of(line, width, delimiter, bool(surplus)), width):
            differences.append(f"altered in the report: row {wanted.row_number}")
    return _shortened(differences)


def result_differences(lines: Iterator[list[str]], expected: Expected, *, is_preview: bool = False) -> list[str]:
    """`results.csv`, parsed: every row once and in file order, with what became of it and what stands instead (P11).

    A preview names a row that stands by its number alone.
    """
    header = next(lines, [])
    if header[: len(expected.columns)] != expected.columns or header[-len(RESULT_COLUMNS) :] != RESULT_COLUMNS:
        return [f"columns of the results: {header}"]
    differences = []
    rejects = {reject.row_number: " | ".join(reject.codes) for reject in expected.rejects}
    wanted_rows = zip(itertools.count(1), expected.line_numbers, expected.fates, strict=False)
    for line, wanted in itertools.zip_longest(lines, wanted_rows):
        if wanted is None:
            differences.append(f"unexpected in the results: row {line[-7]}")
            continue
        row_number, line_number, fate = wanted
        if line is None:
            differences.append(f"lost from the results: row {row_number}")
            continue
        told = (line[-7], line[-6], line[-5], line[-4])
        ought = (str(row_number), str(line_number), fate, rejects.get(row_number, ""))
        if told != ought:
            differences.append(f"in the results {told} instead of {ought}")
        elif row_number in expected.repeated:
            stands_as = expected.employees[expected.repeated[row_number]].row_number
            instead = f"row {stands_as}: " if stands_as else "employee "
            if not (line[-1] == f"row {stands_as}" if is_preview and stands_as else line[-1].startswith(instead)):
                differences.append(f"in the results row {row_number} is not the same as {instead}")
    return _shortened(differences)


def letter_differences(letters: Iterable[Json], expected: Expected, *, may_repeat: bool) -> list[str]:
    """One upload's messages in the dead-letter queue. After a crash a letter may stand there twice (`may_repeat`)."""
    differences = []
    wanted = {reject.row_number: reject for reject in expected.rejects}
    found: Counter[int] = Counter()
    for letter in letters:
        row_number = letter["rowNumber"]
        found[row_number] += 1
        reject = wanted.get(row_number)
        if reject is None:
            differences.append(f"unexpected in the dead letters: row {row_number}, {letter['code']}")
        elif (letter["lineNumber"], _codes(letter)) != (reject.line_number, reject.codes):
            place = f"line {letter['lineNumber']}, {letter['code']}"
            differences.append(f"in the dead letters row {row_number}, {place} instead of {_place(reject)}")
        elif not letter["message"] or not _are_cells_of(reject, letter["cells"], 0):
            differences.append(f"altered in the dead letters: row {row_number}")
    differences += [f"lost from the dead letters: row {number}" for number in sorted(wanted.keys() - found.keys())]
    if not may_repeat:
        differences += [f"doubled in the dead letters: row {number}" for number, times in found.items() if times > 1]
    return _shortened(differences)


def _codes(letter: Json) -> tuple[str, ...]:
    """None of them if the first is not the one that the letter names besides."""
    codes = tuple(fault["code"] for fault in letter["faults"])
    return codes if codes[:1] == (letter["code"],) else ()


def _cells_of(line: Sequence[str], width: int, delimiter: str, has_surplus: bool) -> list[str]:
    cells = list(line[:width])
    if has_surplus and line[width]:
        cells += next(csv.reader([drop_apostrophe(line[width])], delimiter=delimiter))
    return [drop_apostrophe(cell) for cell in cells]


def _are_cells_of(reject: Rejected, cells: Sequence[str], width: int) -> bool:
    """`width`: how many cells a short row is filled up to. Of a row that is too long only the beginning is kept."""
    if reject.code == "row_too_long":
        return all(whole.startswith(kept) for whole, kept in zip(reject.cells, cells, strict=False))
    return list(cells) == [*reject.cells, *[""] * (width - len(reject.cells))]


def _runs_as_a_formula(cell: str) -> bool:
    return cell[:1] in ("=", "+", "-", "@") and not PLAIN_PHONE.fullmatch(cell)


def _place(reject: Rejected) -> str:
    return f"row {reject.row_number}, line {reject.line_number}, {reject.code}"


def _shortened(differences: list[str]) -> list[str]:
    more = len(differences) - SHOWN
    return [*differences[:SHOWN], f"and {more} more"] if more > 0 else differences
