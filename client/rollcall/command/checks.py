"""`check` reads a file on the spot as the service would; `verify` holds an upload's results against its file."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rollcall.command import parameters as of
from rollcall.command.exit_codes import Ended, Exit, worst
from rollcall.command.output import plain
from rollcall.command.run import Run, explain, subcommand

if TYPE_CHECKING:
    from rollcall import Result, Upload
    from rollcall.checking import Finding
    from shared.rows.record import Record

# Differences are alike; by so many it is plain what is wrong.
MOST_DIFFERENCES: Final = 20


def add_to(app: typer.Typer) -> None:
    subcommand(app)(check)
    subcommand(app)(verify)


def check(
    run: Run,
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="CSV, also packed with gzip; - is stdin.")],
    encoding: of.Encoding = None,
    delimiter: of.Delimiter = None,
    header: of.Header = None,
    header_line: of.HeaderLine = None,
    columns: of.Columns = None,
    mapping: of.Mapping = None,
    optional: of.Optional = None,
    escape: of.Escape = None,
) -> None:
    """Check files by the reader and the rules of the service, without it: nothing is sent.

    Each fault is a line as compilers print them: FILE:LINE:COLUMN: CODE: what to do. What depends on who is there
    already is not known here.
    """
    options = of.given_options(
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        header_line=header_line,
        columns=columns,
        mapping=mapping,
        optional=optional,
        escape=escape,
    )
    raise Ended(worst([_check_one(run, file, options) for file in files]))


def _check_one(run: Run, file: str, options: dict[str, Any]) -> Exit:
    from rollcall.checking import checked_file

    name = "<stdin>" if file == "-" else file
    try:
        with checked_file(sys.stdin.buffer if file == "-" else file, **options) as checked:
            for finding in checked.findings():
                _print_finding(run, name, finding)
            sys.stdout.flush()
            run.out.note(f"{plain(name)}: {checked.rows:,} rows, {checked.refused_rows:,} would be refused")
            return Exit.REJECTS if checked.refused_rows else Exit.DONE
    except BrokenPipeError:
        raise
    except Exception as error:
        code = getattr(error, "code", None)
        if code is None or run.out.as_json:
            return explain(run, error)
        print(f"{plain(name)}: {code}: {plain(getattr(error, 'detail', error))}")
        _say_candidates(run, error)
        return Exit.REFUSED


def _print_finding(run: Run, name: str, finding: Finding) -> None:
    if run.out.as_json:
        run.out.json({"file": name, **{each: getattr(finding, each) for each in finding.__slots__}})
        return
    print(f"{plain(name)}:{finding.line_number}:{finding.column or 1}: {finding.code}: {plain(finding.message)}")


def _say_candidates(run: Run, error: Exception) -> None:
    for each in getattr(error, "more", {}).get("candidates", ()):
        run.out.note(f"  --encoding {each['encoding']:<14} {plain(' · '.join(each['samples']))}")


def verify(
    run: Run,
    upload_id: of.UploadId,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file that was uploaded.")],
) -> None:
    """Hold an upload's results against its file: every row named once, as it stands there, and the counts add up.

    The file is read here, by the reader of the service; ends with 1 and the differences if there are any.
    """
    upload = run.client.get_upload(upload_id)
    counted: Counter[str] = Counter()
    shown = 0
    for difference in _differences(run, upload, file, counted):
        shown += 1
        if shown > MOST_DIFFERENCES:
            run.out.note("… and more.")
            break
        print(plain(difference))
    rows = sum(counted.values())
    if run.out.as_json:
        run.out.json({"rows": rows, "outcomes": counted, "agrees": shown == 0})
    if shown:
        raise Ended(Exit.FAILED)
    run.out.note(f"All {rows:,} rows of {plain(file)} are named once: " + _in_words(counted))


def _differences(run: Run, upload: Upload, file: str, counted: Counter[str]) -> Iterator[str]:
    from rollcall.checking import checked_file

    if _sha256(file) != upload.sha256:
        yield f"{file} is not the file that was uploaded: its sha256 is another"
    told = _as_it_was_read(upload)
    with checked_file(file, **told) as checked:
        records = checked.records()
        results = iter(run.client.results(upload))
        for number, (record, result) in enumerate(zip_longest(records, results), 1):
            if result is not None:
                counted[result.outcome] += 1
            yield from _row_differences(number, record, result)
    yield from _count_differences(upload, counted)


def _sha256(file: str) -> str:
    with Path(file).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _as_it_was_read(upload: Upload) -> dict[str, Any]:
    from rollcall.options import camel

    names = ("delimiter", "header", "header_line", "columns", "mapping", "optional", "escape")
    options = {name: (upload.options or {}).get(camel(name)) for name in names}
    return {**options, "encoding": upload.encoding, "delimiter": options["delimiter"] or upload.delimiter}


def _row_differences(number: int, record: Record | None, result: Result | None) -> Iterator[str]:
    if record is None and result is not None:
        yield f"row {result.row_number}: the results name it, and the file has no such row"
    elif result is None and record is not None:
        yield f"row {number}, line {record.line_number}: no result names it"
    elif record is not None and result is not None:
        if (result.row_number, result.line_number) != (number, record.line_number):
            yield (
                f"row {number}, line {record.line_number}: the results have row {result.row_number}, "
                f"line {result.line_number} in its place"
            )
        elif not result.corrected and record.fault is None and result.cells != record.cells:
            yield f"row {number}, line {record.line_number}: its cells are others in the results"


def _count_differences(upload: Upload, counted: Counter[str]) -> Iterator[str]:
    if sum(counted.values()) != upload.rows_read:
        yield f"{sum(counted.values()):,} rows have a result, and the upload read {upload.rows_read:,}"
    if upload.status in ("undoing", "undone", "previewed"):
        return
    names = {"inserted": "inserted", "updated": "updated", "duplicates": "duplicate", "rejected": "rejected"}
    for name, outcome in {**names, "unprocessed": "unprocessed"}.items():
        if getattr(upload, name) != counted[outcome]:
            yield f"{counted[outcome]:,} rows are {outcome}, and the upload counts {getattr(upload, name):,}"


def _in_words(counted: Counter[str]) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in counted.most_common()) or "it has none"
