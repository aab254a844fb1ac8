"""The subcommands about uploads: send a file, follow it, and what can be done with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollcall.command import parameters as of
from rollcall.command import upload_text
from rollcall.command.exit_codes import Ended, Exit, worst
from rollcall.command.progress import UploadProgress
from rollcall.command.run import Run, explain, subcommand

if TYPE_CHECKING:
    from rollcall import Upload

Files = Annotated[
    list[str], typer.Argument(metavar="FILE…", help="CSV, also packed with gzip, or a workbook; - is standard input.")
]
Detach = Annotated[bool, typer.Option("--detach/--watch", help="Do not wait for its end; print its id.")]


def add_to(app: typer.Typer) -> None:
    subcommand(app)(upload)
    subcommand(app, "uploads")(list_uploads)
    subcommand(app)(show)
    subcommand(app)(watch)
    subcommand(app)(sample)
    subcommand(app)(change)
    subcommand(app)(preview)
    subcommand(app)(start)
    subcommand(app)(cancel)
    subcommand(app)(undo)
    subcommand(app)(delete)
    subcommand(app)(download)


def upload(
    run: Run,
    files: Files,
    on_duplicate: of.OnDuplicate = None,
    encoding: of.Encoding = None,
    delimiter: of.Delimiter = None,
    header: of.Header = None,
    header_line: of.HeaderLine = None,
    columns: of.Columns = None,
    mapping: of.Mapping = None,
    optional: of.Optional = None,
    escape: of.Escape = None,
    sheet: of.Sheet = None,
    max_rejects: of.MaxRejects = None,
    absent: of.Absent = None,
    absent_scope: of.AbsentScope = None,
    absent_at_most: of.AbsentAtMost = None,
    draft: Annotated[bool, typer.Option(help="Only store and judge it; nothing is done before `start`.")] = False,
    preview: Annotated[bool, typer.Option(help="A draft, and what it would do with all rows.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key with the same file is the same upload, however often it is sent.")
    ] = None,
    filename: Annotated[str | None, typer.Option(help="What it is called there, such as for standard input.")] = None,
    detach: Detach = False,
) -> None:
    """Send files, and follow them to their end.

    Ctrl-C ends the following alone: an upload that was sent goes on.
    """
    options = of.given_options(
        on_duplicate=on_duplicate,
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        header_line=header_line,
        columns=columns,
        mapping=mapping,
        optional=optional,
        escape=escape,
        sheet=sheet,
        max_rejects=max_rejects,
        absent=absent,
        absent_scope=absent_scope,
        absent_at_most=absent_at_most,
    )
    own: dict[str, Any] = {"draft": draft or preview, "idempotency_key": idempotency_key, "filename": filename}
    if len(files) > 1 and (idempotency_key or filename):
        raise typer.BadParameter("is for one file", param_hint="--idempotency-key or --filename")
    codes = []
    for file in files:
        try:
            codes.append(_upload_one(run, file, {**options, **own}, preview=preview, detach=detach))
        except Exception as error:
            if len(files) > 1:
                run.out.note(f"{file}:")
            codes.append(explain(run, error))
            if codes[-1] is Exit.UNREACHABLE:
                break
    raise Ended(worst(codes))


def _upload_one(run: Run, file: str, options: dict[str, Any], *, preview: bool, detach: bool) -> Exit:
    name = "standard input" if file == "-" else Path(file).name
    source = sys.stdin.buffer if file == "-" else Path(file)
    if file == "-" and options["filename"] is None:
        options = {**options, "filename": "stdin.csv"}
    if file != "-":
        _require_readable(Path(file))
    run.when_interrupted = f"{name} was not sent whole, so nothing of it is imported."
    with UploadProgress(run.out, name) as progress:

        def tell(sent_bytes: int, size: int | None) -> None:
            progress.bytes_sent(sent_bytes, size)
            if sent_bytes == size:
                run.when_interrupted = f"{name} was sent, and may have been taken: rollcall uploads shows it."

        sent = run.client.upload(source, on_bytes=tell, **options)
    if preview and not sent.problem:
        sent = sent.run_preview()
    if detach:
        if run.out.as_json:
            run.out.json(sent)
        else:
            print(sent.id)
        return Exit.DONE
    return _follow(run, sent)


def _require_readable(path: Path) -> None:
    """Raises OSError with the file's name, before the service is asked. A pipe can be opened once only."""
    if path.is_fifo():
        return
    with path.open("rb"):
        pass


def _follow(run: Run, upload: Upload) -> Exit:
    """Until it rests; then say what became of it."""
    run.when_interrupted = (
        f"{upload.filename} goes on without this command. Follow it: rollcall watch {upload.id}\n"
        f"Stop it: rollcall cancel {upload.id}"
    )
    latest = upload
    if not upload.is_resting:
        with UploadProgress(run.out, upload.filename) as progress:
            for moved in upload.watch():
                latest = moved
                progress.moved(latest)
    return _say(run, latest)


def _say(run: Run, upload: Upload) -> Exit:
    run.out.item(upload, upload_text.fields(upload))
    if not run.out.as_json and (step := upload_text.next_step(upload)):
        run.out.note(step, style="dim")
    return upload_text.exit_of(upload)


def list_uploads(
    run: Run,
    status: Annotated[str | None, typer.Option(help="Only those in this state, such as failed or draft.")] = None,
    limit: of.Limit = None,
) -> None:
    """List uploads, the newest first."""
    run.out.list(
        run.client.uploads(status=status),
        ("id", "file", "status", "rows", "rejected", "created"),
        lambda each: (
            each.id,
            each.filename,
            each.status,
            f"{each.rows_read:,}" if run.out.is_terminal else each.rows_read,
            each.rejected,
            f"{each.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
        ),
        limit=limit,
        what="uploads",
    )


def show(run: Run, upload_id: of.UploadId) -> None:
    """Show one upload: its state, its counts, and how its file was read."""
    upload = run.client.get_upload(upload_id)
    run.out.item(upload, [*upload_text.fields(upload), *upload_text.more_fields(upload)])


def watch(run: Run, upload_id: of.UploadId) -> None:
    """Follow an upload until nothing goes on with it by itself."""
    raise Ended(_follow(run, run.client.get_upload(upload_id)))


def sample(
    run: Run,
    upload_id: of.UploadId,
    rows: Annotated[int, typer.Option(min=1, max=100, help="So many rows.")] = 20,
    encoding: of.Encoding = None,
    delimiter: of.Delimiter = None,
    header: of.Header = None,
    header_line: of.HeaderLine = None,
    columns: of.Columns = None,
    mapping: of.Mapping = None,
    optional: of.Optional = None,
    sheet: of.Sheet = None,
) -> None:
    """Show how the first rows of an upload's file read, also under other options; nothing is changed."""
    tried = of.given_options(
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        header_line=header_line,
        columns=columns,
        mapping=mapping,
        optional=optional,
        sheet=sheet,
    )
    read = run.client.sample(upload_id, rows=rows, **tried)
    if run.out.as_json:
        run.out.json(read)
        return
    if read.problem:
        run.out.note(f"{read.problem.get('detail')} [{read.problem.get('code')}]")
    run.out.rows(
        read.rows,
        ("line", *read.columns, "faults"),
        lambda row: (
            row.line_number,
            *(row.cells[at] if at < len(row.cells) else "" for at in range(len(read.columns))),
            "; ".join(fault.message for fault in row.faults),
        ),
        what="rows",
    )


def change(
    run: Run,
    upload_id: of.UploadId,
    on_duplicate: of.OnDuplicate = None,
    encoding: of.Encoding = None,
    delimiter: of.Delimiter = None,
    header: of.Header = None,
    header_line: of.HeaderLine = None,
    columns: of.Columns = None,
    mapping: of.Mapping = None,
    optional: of.Optional = None,
    escape: of.Escape = None,
    sheet: of.Sheet = None,
    max_rejects: of.MaxRejects = None,
    absent: of.Absent = None,
    absent_scope: of.AbsentScope = None,
    absent_at_most: of.AbsentAtMost = None,
    reset: Annotated[
        list[str] | None, typer.Option(help="An option to take back, such as encoding; several times.")
    ] = None,
) -> None:
    """Say anew how a draft is read and what it does."""
    options = of.given_options(
        on_duplicate=on_duplicate,
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        header_line=header_line,
        columns=columns,
        mapping=mapping,
        optional=optional,
        escape=escape,
        sheet=sheet,
        max_rejects=max_rejects,
        absent=absent,
        absent_scope=absent_scope,
        absent_at_most=absent_at_most,
    )
    taken_back = {name.removeprefix("--").replace("-", "_"): None for name in reset or ()}
    try:
        changed = run.client.change_draft(upload_id, **taken_back, **options)
    except TypeError as error:
        raise typer.BadParameter(str(error), param_hint="--reset") from None
    raise Ended(_say(run, changed))


def preview(run: Run, upload_id: of.UploadId) -> None:
    """Send all rows of a draft the whole way, and write nobody: what it would do is shown."""
    raise Ended(_follow(run, run.client.preview(upload_id)))


def start(
    run: Run,
    upload_id: of.UploadId,
    if_unchanged: Annotated[
        bool, typer.Option("--if-unchanged", help="Only if it would still do exactly what its preview said.")
    ] = False,
    detach: Detach = False,
) -> None:
    """Start a draft, or what was previewed, and follow it to its end."""
    started = run.client.start(upload_id, if_unchanged=if_unchanged)
    raise Ended(_say(run, started) if detach else _follow(run, started))


def cancel(run: Run, upload_id: of.UploadId) -> None:
    """Stop an upload: rows that are in stay in. A draft is over at once."""
    _say(run, run.client.cancel(upload_id))


def undo(run: Run, upload_id: of.UploadId, detach: Detach = False) -> None:
    """Take back what a finished upload did; what was changed since is kept, and named."""
    undone = run.client.undo(upload_id)
    if detach:
        _say(run, undone)
        return
    _follow(run, undone)


def delete(
    run: Run,
    upload_id: of.UploadId,
    employees_stay: Annotated[
        bool, typer.Option("--employees-stay", help="That it cannot be undone any more afterwards is meant.")
    ] = False,
) -> None:
    """Delete a draft, or a finished upload with its file and rejects; its employees stay."""
    run.client.delete_upload(upload_id, employees_stay=employees_stay)
    run.out.note(f"Deleted {upload_id}.")


def download(run: Run, upload_id: of.UploadId, output: of.OutputFile = None) -> None:
    """Download the file of an upload as it was sent, byte for byte."""
    run.client.file(upload_id).save(output or sys.stdout.buffer)
