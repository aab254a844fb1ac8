"""The subcommands about an upload's rows: what became of them, and the correction of those that were refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.command import parameters as of
from rollcall.command.exit_codes import Ended, Exit
from rollcall.command.run import Run, subcommand

if TYPE_CHECKING:
    from rollcall import Correction

Outcome = Annotated[
    str | None,
    typer.Option(
        help="Only rows with this outcome, or several with commas: inserted, updated, duplicate, rejected, "
        "unprocessed, undone; or alone: kept, deactivated."
    ),
]


def add_to(app: typer.Typer) -> None:
    subcommand(app)(rejects)
    subcommand(app)(results)
    subcommand(app)(correct)
    subcommand(app)(correct_row)


def rejects(
    run: Run,
    upload_id: of.UploadId,
    code: Annotated[str | None, typer.Option(help="Only those whose first fault has this code.")] = None,
    as_csv: of.AsCsv = False,
    output: of.OutputFile = None,
    limit: of.Limit = None,
) -> None:
    """Show the rows that were refused, and why; with --csv as a file to correct and give to `correct`."""
    if as_csv or output is not None:
        if code is not None:
            raise typer.BadParameter("cannot come with --csv or --output", param_hint="--code")
        run.client.rejects_csv(upload_id).save(output or sys.stdout.buffer)
        return
    run.out.list(
        run.client.rejects(upload_id, code=code),
        ("row", "line", "code", "message", "cells"),
        lambda each: (
            each.row_number,
            each.line_number,
            each.code,
            "; ".join(fault.message for fault in each.faults),
            " | ".join(each.cells),
        ),
        limit=limit,
        what="rejected rows",
    )


def results(
    run: Run,
    upload_id: of.UploadId,
    outcome: Outcome = None,
    as_csv: of.AsCsv = False,
    output: of.OutputFile = None,
    limit: of.Limit = None,
) -> None:
    """Show what became of each row, or of a preview what would."""
    if as_csv or output is not None:
        run.client.results_csv(upload_id, outcome).save(output or sys.stdout.buffer)
    elif outcome == "kept":
        run.out.list(
            run.client.kept_rows(upload_id),
            ("row", "employee", "changed by"),
            lambda each: (each.row_number, each.employee_id, each.changed_by),
            limit=limit,
            what="kept rows",
        )
    elif outcome == "deactivated":
        run.out.list(
            run.client.deactivated_employees(upload_id),
            ("employee", "name", "email"),
            lambda each: (each.employee_id, each.employee_name, each.email),
            limit=limit,
            what="employees",
        )
    else:
        run.out.list(
            run.client.results(upload_id, outcome),
            ("row", "line", "outcome", "same as", "faults", "cells"),
            lambda each: (
                each.row_number,
                each.line_number,
                each.outcome,
                each.same_as,
                "; ".join(fault.message for fault in each.faults),
                " | ".join(each.cells),
            ),
            limit=limit,
            what="rows",
        )


def correct(
    run: Run,
    upload_id: of.UploadId,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The file of `rejects --csv`, mended; - is standard input.")
    ],
    encoding: of.Encoding = None,
    delimiter: of.Delimiter = None,
    detach: Annotated[bool, typer.Option("--detach/--watch", help="Do not wait for what becomes of the rows.")] = False,
) -> None:
    """Send corrected rows back into their own upload."""
    source = sys.stdin.buffer if file == "-" else Path(file)
    sent = run.client.correct(upload_id, source, encoding=encoding, delimiter=delimiter)
    if not detach:
        run.when_interrupted = f"The correction goes on without this command: rollcall show {upload_id}"
        sent = run.client.finished_correction(sent)
    _say(run, sent)


def correct_row(
    run: Run,
    upload_id: of.UploadId,
    row_number: Annotated[int, typer.Argument(metavar="ROW", min=1, help="The row's number, as `rejects` has it.")],
    cells: Annotated[list[str], typer.Argument(metavar="COLUMN=CELL…", help="What is to stand there instead.")],
) -> None:
    """Correct one row, and see whether it is in."""
    said = dict(each.partition("=")[::2] for each in cells)
    if wrong := [each for each in cells if "=" not in each]:
        raise typer.BadParameter(f"{wrong[0]}: say COLUMN=CELL", param_hint="COLUMN=CELL")
    answer = run.client.correct_row(upload_id, row_number, said)
    if answer.outcome is None:
        _say(run, run.client.finished_correction(run.client.correction(upload_id, answer.correction_id)))
        return
    run.out.item(answer, [("row", answer.row_number), ("outcome", answer.outcome)])
    if answer.outcome == "rejected":
        raise Ended(Exit.REJECTS)


def _say(run: Run, correction: Correction) -> None:
    done = ("waiting", "inserted", "updated", "duplicates", "rejected")
    counts = (*done, "row_changed", "cancelled", "no_reject", "letter_deleted", "unchanged")
    fields = [(name.replace("_", " "), getattr(correction, name) or None) for name in counts]
    ignored = ", ".join(correction.ignored_columns)
    run.out.item(
        correction,
        [("id", correction.id), ("state", correction.state), ("rows", correction.total), *fields, ("ignored", ignored)],
    )
    if correction.rejected or correction.row_changed:
        raise Ended(Exit.REJECTS)
