"""An upload in hand: what is known of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Unpack, cast

from rollcall._async.reading import AsyncDownload, AsyncPages
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
    from rollcall._async.client import AsyncClient


class AsyncUpload(UploadFields, dict=True):
    """One uploaded file as it was when it was asked for. Whatever is done with it answers with it as it is then."""

    @property
    def client(self) -> AsyncClient:
        return cast("AsyncClient", self.__dict__["client"])

    @property
    def is_resting(self) -> bool:
        """Whether nothing goes on with it by itself: it is finished, undone, a draft, or previewed."""
        return self.status in RESTING_STATES

    async def refresh(self) -> AsyncUpload:
        return await self.client.get_upload(self.id)

    def watch(self) -> AsyncIterator[AsyncUpload]:
        """It, each time that it has moved, until nothing goes on by itself any more; see `AsyncClient.watch`."""
        return self.client.watch(self.id)

    async def wait(self) -> AsyncUpload:
        """It, as soon as nothing goes on by itself any more."""
        latest = self
        async for moved in self.watch():
            latest = moved
        return latest

    def results(self, outcome: str | Sequence[str] | None = None) -> AsyncPages[Result]:
        return self.client.results(self.id, outcome)

    def kept_rows(self) -> AsyncPages[KeptRow]:
        return self.client.kept_rows(self.id)

    def deactivated_employees(self) -> AsyncPages[Deactivated]:
        return self.client.deactivated_employees(self.id)

    def results_csv(self, outcome: str | Sequence[str] | None = None) -> AsyncDownload:
        return self.client.results_csv(self.id, outcome)

    def rejects(self) -> AsyncPages[Reject]:
        return self.client.rejects(self.id)

    def rejects_csv(self) -> AsyncDownload:
        return self.client.rejects_csv(self.id)

    def file(self) -> AsyncDownload:
        return self.client.file(self.id)

    async def correct_row(
        self, row_number: int, cells: Mapping[str, str] | Sequence[str], *, attempt: int | None = None
    ) -> RowCorrected:
        return await self.client.correct_row(self.id, row_number, cells, attempt=attempt)

    async def correct(
        self, file: Source, *, filename: str | None = None, on_bytes: OnBytes | None = None
    ) -> Correction:
        return await self.client.correct(self.id, file, filename=filename, on_bytes=on_bytes)

    async def sample(self, *, rows: int = 20, **tried: Unpack[FileOptions]) -> Sample:
        return await self.client.sample(self.id, rows=rows, **tried)

    async def change(self, **options: Unpack[FileOptions]) -> AsyncUpload:
        """Change a draft's options, unless somebody else has changed it since."""
        return await self.client.change_draft(self.id, revision=self.revision, **options)

    async def run_preview(self) -> AsyncUpload:
        """`preview` says then what it would do."""
        return await self.client.preview(self.id)

    async def start(self, *, if_unchanged: bool = False) -> AsyncUpload:
        return await self.client.start(self.id, if_unchanged=if_unchanged)

    async def cancel(self) -> AsyncUpload:
        return await self.client.cancel(self.id)

    async def undo(self) -> AsyncUpload:
        return await self.client.undo(self.id)

    async def delete(self, *, employees_stay: bool = False) -> None:
        await self.client.delete_upload(self.id, employees_stay=employees_stay)
