"""An upload in words: its fields for people, and the number that a script is told about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from rollcall.command.exit_codes import Exit

if TYPE_CHECKING:
    from rollcall import Upload

COUNTS: Final = ("inserted", "updated", "duplicates", "rejected", "unprocessed")
UNDO_COUNTS: Final = ("deleted", "restored", "kept")


def exit_of(upload: Upload) -> Exit:
    """Of an upload that rests."""
    if upload.status == "previewed":
        outcome = None if upload.preview is None else upload.preview.outcome
        return {"failed": Exit.FAILED, "partially_succeeded": Exit.REJECTS}.get(outcome or "", Exit.DONE)
    if upload.status == "draft":
        return Exit.REFUSED if upload.problem else Exit.DONE
    if upload.status in ("failed", "cancelled"):
        return Exit.FAILED
    return Exit.REJECTS if upload.rejected or upload.problem else Exit.DONE


def fields(upload: Upload) -> Iterator[tuple[str, object]]:
    yield "file", upload.filename
    yield "id", upload.id
    yield "status", upload.status
    if upload.problem:
        yield "problem", _said(upload.problem)
    if upload.status in ("draft", "previewing", "previewed"):
        yield from _reading(upload)
        yield from _preview(upload)
        return
    yield "rows read", f"{upload.rows_read:,}"
    for name in COUNTS:
        yield name, f"{getattr(upload, name):,}"
    for code, count in sorted(upload.rejected_by.items()):
        yield f"  {code}", f"{count:,}"
    if upload.deactivated:
        yield "have left", f"{upload.deactivated:,}"
    if upload.undo_requested_at is not None:
        for name in UNDO_COUNTS:
            yield name, f"{getattr(upload, name):,}"


def more_fields(upload: Upload) -> Iterator[tuple[str, object]]:
    """What `show` adds."""
    if upload.status not in ("draft", "previewing", "previewed"):
        yield from _reading(upload)
    yield "on duplicate", upload.on_duplicate
    yield "optional", ", ".join(upload.optional)
    yield "bytes", f"{upload.bytes:,}"
    yield "sha256", upload.sha256
    yield "can be undone", upload.undoable
    yield "created", _time(upload.created_at)
    yield "started", _time(upload.started_at)
    yield "finished", _time(upload.finished_at)
    yield "waited", _seconds(upload.waited_seconds)
    yield "read", _seconds(upload.read_seconds)


def next_step(upload: Upload) -> str:
    """What somebody may want to type now; empty where nothing suggests itself."""
    if upload.status == "draft":
        mend = f"rollcall change {upload.id} …, or " if upload.problem else ""
        return f"Nothing is imported yet: {mend}rollcall start {upload.id}"
    if upload.status == "previewed":
        return f"Nothing is imported yet: rollcall start {upload.id} --if-unchanged"
    if upload.rejected and upload.status in ("partially_succeeded", "failed"):
        return f"What was refused, and why: rollcall rejects {upload.id}"
    return ""


def _reading(upload: Upload) -> Iterator[tuple[str, object]]:
    yield "encoding", (upload.encoding or "") + (" (guessed)" if upload.encoding_guessed else "")
    yield "delimiter", {"\t": "tab"}.get(upload.delimiter or "", upload.delimiter)
    yield "header line", upload.header_line
    for name, source in upload.fields.items():
        yield f"  {name}", " + ".join(source.columns) + (f"  ({source.why})" if source.why else "")


def _preview(upload: Upload) -> Iterator[tuple[str, object]]:
    preview = upload.preview
    if preview is None:
        return
    yield "rows read", f"{preview.rows_read:,}"
    for name in COUNTS:
        count = getattr(preview, name)
        yield f"would be {name}", None if count is None else f"{count:,}"
    for code, count in sorted(preview.rejected_by.items()):
        yield f"  {code}", f"{count:,}"
    if preview.deactivated is not None:
        yield "would have left", f"{preview.deactivated:,}"
    if preview.problem:
        yield "it would fail", _said(preview.problem)


def _said(problem: dict[str, Any]) -> str:
    return f"{problem.get('detail', '')} [{problem.get('code', '')}]"


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:,.1f} s"


def _time(moment: Any) -> str | None:
    return None if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
