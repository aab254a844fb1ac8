# Made from rollcall/_async/upload.py by `python -m tools.sync_client`: change that.
"""An upload in hand: what is known of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Unpack, cast

from rollcall._sync.reading import Download, Pages
from rollcall.models import (
    Correction,
    Deactivated,
    KeptRow,
    Reject,
    Result,
    RowCorrected,
    Sample,
    UploadFields,
)
from rollcall.options import FileOptions
from rollcall.sources import OnBytes, Source
from shared.upload_status import RESTING_STATES

if TYPE_CHECKING:
    from rollcall._sync.client import Client


class Upload(UploadFields, dict=True):
    """One uploaded file as it was when it was asked for. Whatever is done with it answers with it as it is then."""

    @property
    def client(self) -> Client:
        return cast("Client", self.__dict__["client"])

    @property
    def is_resting(self) -> bool:
        """Whether nothing goes on with it by itself: it is finished, undone, a draft, or previewed."""
        return self.status in RESTING_STATES

    def refresh(self) -> Upload:
        return self.client.get_upload(self.id)

    def watch(self) -> Iterator[Upload]:
        """It, each time that it has moved, until nothing goes on by itself any more; see `Client.watch`."""
        return self.client.watch(self.id)

    def wait(self) -> Upload:
        """It, as soon as nothing goes on by itself any more."""
        latest = self
        for moved in self.watch():
            latest = moved
        return latest

    def results(self, outcome: str | Sequence[str] | None = None) -> Pages[Result]:
        return self.client.results(self.id, outcome)

    def kept_rows(self) -> Pages[KeptRow]:
        return self.client.kept_rows(self.id)

    def deactivated_employees(self) -> Pages[Deactivated]:
        return self.client.deactivated_employees(self.id)

    def results_csv(self, outcome: str | Sequence[str] | None = None) -> Download:
        return self.client.results_csv(self.id, outcome)

    def rejects(self) -> Pages[Reject]:
        return self.client.rejects(self.id)

    def rejects_csv(self) -> Download:
        return self.client.rejects_csv(self.id)

    def file(self) -> Download:
        return self.client.file(self.id)

    def correct_row(
        self, row_number: int, cells: Mapping[str, str] | Sequence[str], *, attempt: int | None = None
    ) -> RowCorrected:
        return self.client.correct_row(self.id, row_number, cells, attempt=attempt)

    def correct(self, file: Source, *, filename: str | None = None, on_bytes: OnBytes | None = None) -> Correction:
        return self.client.correct(self.id, file, filename=filename, on_bytes=on_bytes)

    def sample(self, *, rows: int = 20, **tried: Unpack[FileOptions]) -> Sample:
        return self.client.sample(self.id, rows=rows, **tried)

    def change(self, **options: Unpack[FileOptions]) -> Upload:
        """Change a draft's options, unless somebody else has changed it since."""
        return self.client.change_draft(self.id, revision=self.revision, **options)

    def run_preview(self) -> Upload:
        """`preview` says then what it would do."""
        return self.client.preview(self.id)

    def start(self, *, if_unchanged: bool = False) -> Upload:
        return self.client.start(self.id, if_unchanged=if_unchanged)

    def cancel(self) -> Upload:
        return self.client.cancel(self.id)

    def undo(self) -> Upload:
        return self.client.undo(self.id)

    def delete(self, *, employees_stay: bool = False) -> None:
        self.client.delete_upload(self.id, employees_stay=employees_stay)
