"""The subcommands about employees."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rollcall.command import parameters as of
from rollcall.command.run import Run, subcommand


def add_to(app: typer.Typer) -> None:
    subcommand(app)(employees)
    subcommand(app)(export)
    subcommand(app)(delete_employee)


def employees(
    run: Run,
    search: of.Search = None,
    upload: Annotated[str | None, typer.Option(help="Only as this upload left them.")] = None,
    with_left: of.WithLeft = False,
    as_csv: of.AsCsv = False,
    limit: of.Limit = None,
) -> None:
    """List or search the employees."""
    if as_csv:
        if upload is not None:
            raise typer.BadParameter("cannot come with --csv: see `results ID --csv`", param_hint="--upload")
        run.client.export(search=search, with_left=with_left).save(sys.stdout.buffer)
        return
    from shared.rows.fields import FIELD_NAMES

    run.out.list(
        run.client.employees(search=search, upload=upload, with_left=with_left),
        ("id", *FIELD_NAMES, *(["left"] if with_left else [])),
        lambda each: (
            each.id,
            *(getattr(each, name) for name in FIELD_NAMES),
            *([f"{each.left_at:%Y-%m-%d}" if each.left_at else None] if with_left else []),
        ),
        limit=limit,
        what="employees",
    )


def export(run: Run, search: of.Search = None, with_left: of.WithLeft = False, output: of.OutputFile = None) -> None:
    """Download the employees as CSV."""
    run.client.export(search=search, with_left=with_left).save(output or sys.stdout.buffer)


def delete_employee(
    run: Run, employee_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="As `employees` lists it.")]
) -> None:
    """Delete one employee."""
    run.client.delete_employee(employee_id)
    run.out.note(f"Deleted employee {employee_id}.")
