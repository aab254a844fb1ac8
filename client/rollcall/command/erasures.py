"""The subcommands that erase people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.command import parameters as of
from rollcall.command.run import Run, subcommand

if TYPE_CHECKING:
    from rollcall import Erasure, Found

ErasureId = Annotated[str, typer.Argument(metavar="ID", help="Of the erasure, as `erasures` lists it.")]


def add_to(app: typer.Typer) -> None:
    subcommand(app)(erase)
    subcommand(app, "erasures")(list_erasures)
    subcommand(app)(erasure)
    subcommand(app)(allow_erased)


def erase(
    run: Run,
    email: Annotated[str, typer.Argument(help="Of the person, in whatever case; - reads it from standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much there is of them.")] = False,
    detach: Annotated[bool, typer.Option("--detach/--watch", help="Do not wait for its end.")] = False,
) -> None:
    """Erase a person: employees, before-images, rejects, dead letters, and their rows in stored files."""
    if email == "-":
        email = typer.get_text_stream("stdin").readline().strip()
    if dry_run:
        foreseen = run.client.foresee_erasure(email)
        run.out.item(foreseen, [*_found(foreseen.found), ("files to search", foreseen.files_to_search)])
        return
    ordered = run.client.erase(email)
    run.when_interrupted = f"It goes on without this command: rollcall erasure {ordered.id}"
    _say(run, ordered if detach else run.client.finished_erasure(ordered))


def list_erasures(run: Run, limit: of.Limit = None) -> None:
    """List erasures, the newest first. They name nobody."""
    run.out.list(
        run.client.erasures(),
        ("id", "status", "ordered", "finished", "by"),
        lambda each: (
            each.id,
            each.status,
            f"{each.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
            f"{each.finished_at.astimezone():%Y-%m-%d %H:%M:%S}" if each.finished_at else None,
            each.requested_by,
        ),
        limit=limit,
        what="erasures",
    )


def erasure(run: Run, erasure_id: ErasureId) -> None:
    """Show how far an erasure is, and its certificate."""
    _say(run, run.client.erasure(erasure_id))


def allow_erased(run: Run, erasure_id: ErasureId) -> None:
    """Take rows of an erased person again; what was erased stays erased."""
    run.client.allow_erased(erasure_id)
    run.out.note("Rows with this email are taken again.")


def _found(found: Found) -> list[tuple[str, object]]:
    return [(name.replace("_", " "), getattr(found, name) or None) for name in found.__struct_fields__]


def _say(run: Run, erased: Erasure) -> None:
    files = [(f"  file of {each.upload_id}", f"{each.action}, {each.rows} rows") for each in erased.files]
    run.out.item(
        erased,
        [
            ("id", erased.id),
            ("status", erased.status),
            ("person", erased.person),
            ("key", erased.key_id),
            ("by", erased.requested_by),
            ("refused from now on", erased.is_suppressed),
            ("waits for", ", ".join(erased.waits_for)),
            *_found(erased.found),
            *files,
        ],
    )
