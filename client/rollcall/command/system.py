"""The subcommands about the system itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rollcall.command.exit_codes import Ended, Exit
from rollcall.command.run import Run, subcommand


def add_to(app: typer.Typer) -> None:
    subcommand(app)(status)
    subcommand(app)(template)


def status(run: Run) -> None:
    """Show the system at a glance; ends with 1 if something keeps uploads from being taken or finished."""
    now = run.client.status()
    uploads = ", ".join(f"{count:,} {state}" for state, count in now.uploads.items() if count)
    queues = [
        (f"  {name}", None if each.messages is None else f"{each.messages:,} messages, {each.consumers} consumers")
        for name, each in now.queues.items()
    ]
    versions = f"{now.versions.app}, schema {now.versions.schema}, Postgres {now.versions.postgres}"
    rabbitmq = f", RabbitMQ {now.versions.rabbitmq}" if now.versions.rabbitmq else ""
    run.out.item(
        now,
        [
            ("service", run.client.url),
            ("version", versions + rabbitmq),
            ("broker", now.broker),
            *queues,
            ("uploads", uploads or "none"),
            *((f"trouble: {each.code}", each.detail) for each in now.troubles),
        ],
    )
    if now.troubles:
        raise Ended(Exit.FAILED)


def template(
    run: Run,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write there; .xlsx makes it a workbook.", dir_okay=False)
    ] = None,
    language: Annotated[str | None, typer.Option(help="Of the header, such as de.")] = None,
) -> None:
    """Download a file to begin with: the header and an example."""
    is_workbook = output is not None and output.suffix.lower() == ".xlsx"
    make = run.client.template_xlsx if is_workbook else run.client.template_csv
    make(language=language).save(output or sys.stdout.buffer)
