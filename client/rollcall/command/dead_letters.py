"""`rollcall dead-letters`: rows that were refused, as the operators' queue has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from rollcall.command import parameters as of
from rollcall.command.exit_codes import Ended, Exit
from rollcall.command.moments import ago
from rollcall.command.run import Run, subcommand

if TYPE_CHECKING:
    from rollcall import Job

app = typer.Typer(
    help="Rows that were refused, as the dead-letter queue has them: look, try again, delete.", no_args_is_help=True
)

OfUpload = Annotated[str | None, typer.Option("--upload", help="Only those of this upload.")]
OfCode = Annotated[str | None, typer.Option("--code", help="Only those with this code, such as invalid_email.")]
Since = Annotated[str | None, typer.Option(help="Only those that died since: 2h or 3d ago, a date, or a time.")]
Before = Annotated[str | None, typer.Option(help="Only those that died before.")]
Ids = Annotated[
    list[str] | None, typer.Option("--id", help="This one, by its messageId (list --json). Can be said several times.")
]
All = Annotated[bool, typer.Option("--all", help="All there are.")]
Detach = Annotated[bool, typer.Option("--detach/--watch", help="Do not wait for its end.")]


class _Died(TypedDict):
    dead_from: datetime | None
    dead_before: datetime | None


@subcommand(app, "list")
def list_letters(
    run: Run,
    upload: OfUpload = None,
    code: OfCode = None,
    since: Since = None,
    before: Before = None,
    limit: of.Limit = None,
) -> None:
    """List dead letters, the oldest first."""
    run.out.list(
        run.client.dead_letters(upload=upload, code=code, **_died(since, before)),
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
    since: Since = None,
    before: Before = None,
    ids: Ids = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The oldest so many.")] = None,
    everything: All = False,
    detach: Detach = False,
) -> None:
    """Try rows again, each once."""
    _require_choice([upload, code, since, before, limit], ids, everything)
    job = run.client.redrive(
        upload=upload, code=code, **_died(since, before), message_ids=ids or None, limit=limit, everything=everything
    )
    _follow(run, job, detach=detach)


@subcommand(app)
def discard(
    run: Run,
    upload: OfUpload = None,
    code: OfCode = None,
    since: Since = None,
    before: Before = None,
    ids: Ids = None,
    everything: All = False,
    detach: Detach = False,
) -> None:
    """Delete dead letters: their rows are settled then, and can be neither tried again nor corrected."""
    _require_choice([upload, code, since, before], ids, everything)
    job = run.client.discard(
        upload=upload, code=code, **_died(since, before), message_ids=ids or None, everything=everything
    )
    _follow(run, job, detach=detach)


@subcommand(app)
def job(run: Run, job_id: Annotated[str, typer.Argument(metavar="JOB", help="Its id.")]) -> None:
    """Show how far a redrive or deletion is."""
    _say(run, run.client.job(job_id))


@subcommand(app)
def cancel(run: Run, job_id: Annotated[str, typer.Argument(metavar="JOB", help="Its id.")]) -> None:
    """Stop a redrive or deletion after the step in hand."""
    _say(run, run.client.cancel_job(job_id))


def _died(since: str | None, before: str | None) -> _Died:
    return {
        "dead_from": None if since is None else ago(since, option="--since"),
        "dead_before": None if before is None else ago(before, option="--before"),
    }


def _require_choice(filters: Sequence[str | int | None], ids: Sequence[str] | None, everything: bool) -> None:
    is_filtered = any(filters)
    if everything and (is_filtered or ids):
        raise typer.BadParameter("cannot come with a filter", param_hint="--all")
    if ids and is_filtered:
        raise typer.BadParameter("cannot come with a filter", param_hint="--id")
    if not (everything or is_filtered or ids):
        raise typer.BadParameter("say which: --upload, --code, --since, --before, --id, or --all", param_hint="--all")


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
