"""`rollcall dead-letters`: rows that were refused, as the operators' queue has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.command import parameters as of
from rollcall.command.exit_codes import Ended, Exit
from rollcall.command.run import Run, subcommand

if TYPE_CHECKING:
    from rollcall import Job

app = typer.Typer(
    help="Rows that were refused, as the dead-letter queue has them: look, try again, delete.", no_args_is_help=True
)

OfUpload = Annotated[str | None, typer.Option("--upload", help="Only those of this upload.")]
OfCode = Annotated[str | None, typer.Option("--code", help="Only those with this code, such as invalid_email.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]
Detach = Annotated[bool, typer.Option("--detach/--watch", help="Do not wait for its end.")]


@subcommand(app, "list")
def list_letters(run: Run, upload: OfUpload = None, code: OfCode = None, limit: of.Limit = None) -> None:
    """List dead letters, the oldest first."""
    run.out.list(
        run.client.dead_letters(upload=upload, code=code),
        ("dead since", "upload", "row", "code", "message", "cells"),
        lambda each: (
            f"{each.dead_at.astimezone():%Y-%m-%d %H:%M:%S}",
            each.upload_id,
            each.row_number,
            each.code,
            "; ".join(fault.message for fault in each.faults) or each.message,
            " | ".join(each.cells or ()),
        ),
        limit=limit,
        what="dead letters",
    )


@subcommand(app)
def redrive(
    run: Run,
    upload: OfUpload = None,
    code: OfCode = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The oldest so many.")] = None,
    everything: All = False,
    detach: Detach = False,
) -> None:
    """Try rows again, each once."""
    _require_choice(upload, code, everything, limit)
    job = run.client.redrive(upload=upload, code=code, limit=limit, everything=everything)
    _follow(run, job, detach=detach)


@subcommand(app)
def discard(
    run: Run, upload: OfUpload = None, code: OfCode = None, everything: All = False, detach: Detach = False
) -> None:
    """Delete dead letters: their rows are settled then, and can be neither tried again nor corrected."""
    _require_choice(upload, code, everything)
    _follow(run, run.client.discard(upload=upload, code=code, everything=everything), detach=detach)


@subcommand(app)
def job(run: Run, job_id: Annotated[str, typer.Argument(metavar="JOB", help="Its id.")]) -> None:
    """Show how far a redrive or deletion is."""
    _say(run, run.client.job(job_id))


@subcommand(app)
def cancel(run: Run, job_id: Annotated[str, typer.Argument(metavar="JOB", help="Its id.")]) -> None:
    """Stop a redrive or deletion after the step in hand."""
    _say(run, run.client.cancel_job(job_id))


def _require_choice(upload: str | None, code: str | None, everything: bool, limit: int | None = None) -> None:
    if everything and (upload or code or limit):
        raise typer.BadParameter("cannot come with a filter", param_hint="--all")
    if not (everything or upload or code or limit):
        raise typer.BadParameter("say which: --upload, --code, or --all", param_hint="--all")


def _follow(run: Run, job: Job, *, detach: bool) -> None:
    run.when_interrupted = (
        f"It goes on without this command: rollcall dead-letters job {job.id}\n"
        f"Stop it: rollcall dead-letters cancel {job.id}"
    )
    _say(run, job if detach else run.client.finished_job(job))


def _say(run: Run, job: Job) -> None:
    names = ("id", "kind", "state", "total", "done", "left")
    run.out.item(job, [(name, getattr(job, name)) for name in names])
    if job.state == "cancelled":
        raise Ended(Exit.FAILED)
