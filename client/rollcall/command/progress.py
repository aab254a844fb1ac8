"""How far an upload is, on standard error: its bytes, then its rows; a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from rollcall.command.output import Output, plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from rollcall import Upload

SECONDS_A_LINE: Final = 5.0


class UploadProgress:
    """Use it with `with`. Where nobody looks it says little, and with --json nothing."""

    def __init__(self, out: Output, name: str) -> None:
        self._out = out
        self._name = plain(name)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._began = self._said = time.monotonic()
        self._rows_at_start: int | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn("{task.fields[name]}", markup=False),
                BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
                TextColumn("{task.percentage:>3.0f}%  {task.fields[said]}", markup=False),
                console=self._out.errors,
                transient=True,
                expand=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("", name=self._name, said="", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def bytes_sent(self, sent: int, size: int | None) -> None:
        """For `Client.upload(on_bytes=…)`."""
        self._enter("sending")
        of = f" of {_megabytes(size)}" if size is not None else ""
        seconds = max(time.monotonic() - self._began, 0.001)
        self._show(sent, size, f"{_megabytes(sent)}{of} sent, {_megabytes(int(sent / seconds))}/s")

    def moved(self, upload: Upload) -> None:
        """For each that `Upload.watch` gives."""
        self._enter(upload.status)
        done, share = upload.rows_done, upload.progress
        if upload.preview is not None and upload.status == "previewing":
            done, share = upload.preview.rows_done, upload.preview.progress
        if self._rows_at_start is None:
            self._rows_at_start = done
        self._show(int(share * 1000), 1000, f"{upload.status}: {done:,} rows{self._pace(done, share)}")

    def _enter(self, stage: str) -> None:
        if stage != self._stage:
            self._stage = stage
            self._began = time.monotonic()
            self._rows_at_start = None
            if stage != "sending":
                # Small files are sent before anybody has read that they are; of all else the first line comes at once.
                self._said = 0.0

    def _pace(self, done: int, share: float) -> str:
        """Of this stage alone, so that a file that waited in line does not look slow."""
        seconds = time.monotonic() - self._began
        rows = done - (self._rows_at_start or 0)
        if seconds < 0.5 or rows <= 0 or not 0 < share < 1:
            return ""
        left = seconds * (1 - share) / share
        return f", {rows / seconds:,.0f}/s, about {_duration(left)} left"

    def _show(self, completed: float, total: float | None, said: str) -> None:
        if self._bar is not None and self._task is not None:
            fields: dict[str, Any] = {"said": said}
            self._bar.update(self._task, completed=completed, total=total, **fields)
        elif not self._out.as_json and time.monotonic() - self._said >= SECONDS_A_LINE:
            self._said = time.monotonic()
            self._out.note(f"{self._name}: {said}")


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{size / 1000:,.1f} kB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
