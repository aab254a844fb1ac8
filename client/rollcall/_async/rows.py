"""Methods about an upload's rows: what became of each, and the correction of those that were rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from rollcall._async.calls_base import AsyncCalls
from rollcall._async.reading import AsyncDownload, AsyncPages
from rollcall._async.transport import path_of
from rollcall._async.uploads import UploadId, id_of
from rollcall.calls import calls
from rollcall.models import (
    CorrectedRow,
    Correction,
    Deactivated,
    KeptRow,
    Listing,
    Reject,
    Result,
    RowCorrected,
)
from rollcall.options import form_fields
from rollcall.pauses import apause
from rollcall.sources import FormBody, OnBytes, Source, UploadSource


class AsyncRowCalls(AsyncCalls):
    @calls("listResults")
    def results(self, upload: UploadId, outcome: str | Sequence[str] | None = None) -> AsyncPages[Result]:
        """Each row of the file with what became of it, or of a preview what would; in the order of the file."""
        path = path_of("uploads", id_of(upload), "rows")
        return self._pages(path, Listing[Result], outcome=_joined(outcome))

    @calls("listResults")
    def kept_rows(self, upload: UploadId) -> AsyncPages[KeptRow]:
        """Of an undone upload: the rows whose employees another upload had changed since, and which."""
        return self._pages(path_of("uploads", id_of(upload), "rows"), Listing[KeptRow], outcome="kept")

    @calls("listResults")
    def deactivated_employees(self, upload: UploadId) -> AsyncPages[Deactivated]:
        """Employees whom the file does not name, and who have left."""
        return self._pages(path_of("uploads", id_of(upload), "rows"), Listing[Deactivated], outcome="deactivated")

    @calls("downloadResults")
    def results_csv(self, upload: UploadId, outcome: str | Sequence[str] | None = None) -> AsyncDownload:
        """The file's own columns, and what became of each row."""
        path = path_of("uploads", id_of(upload), "results.csv")
        return AsyncDownload(self._transport, path, {"outcome": _joined(outcome)})

    @calls("listRejects")
    def rejects(self, upload: UploadId, *, code: str | None = None) -> AsyncPages[Reject]:
        """The rejected rows, each with all that is wrong with it; with a code those of which it is the first fault."""
        return self._pages(path_of("uploads", id_of(upload), "rejects"), Listing[Reject], code=code)

    @calls("downloadRejects")
    def rejects_csv(self, upload: UploadId) -> AsyncDownload:
        """The rejected rows as a file to correct: give it to `correct`, or upload it."""
        return AsyncDownload(self._transport, path_of("uploads", id_of(upload), "rejects.csv"))

    @calls("getReject")
    async def reject(self, upload: UploadId, row_number: int) -> Reject:
        path = path_of("uploads", id_of(upload), "rejects", row_number)
        return await self._transport.call("GET", path, Reject)

    @calls("correctReject")
    async def correct_row(
        self,
        upload: UploadId,
        row_number: int,
        cells: Mapping[str, str] | Sequence[str],
        *,
        attempt: int | None = None,
    ) -> RowCorrected:
        """Correct one rejected row in its own upload, by the names of columns, or with all its cells.

        Raises StillRejected with its `faults`, and RowChanged if the row is at another `attempt` by now.
        """
        json = {"cells": cells, **({} if attempt is None else {"attempt": attempt})}
        path = path_of("uploads", id_of(upload), "rejects", row_number)
        return await self._transport.call("PATCH", path, RowCorrected, json=json)

    @calls("correctRejects")
    async def correct(
        self,
        upload: UploadId,
        file: Source,
        *,
        filename: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        escape: Literal["backslash"] | None = None,
        sheet: str | int | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Correction:
        """Correct many rejected rows with a file: the one of `rejects_csv`, mended. See `finished_correction`."""
        options = {"delimiter": delimiter, "encoding": encoding, "escape": escape, "sheet": sheet}
        body = FormBody(UploadSource(file, filename), form_fields(options), on_bytes)
        path = path_of("uploads", id_of(upload), "corrections")
        return await self._transport.send_form(path, body, Correction, headers={}, is_safe=False)

    @calls("getCorrection")
    async def correction(self, upload: UploadId, correction_id: str) -> Correction:
        path = path_of("uploads", id_of(upload), "corrections", correction_id)
        return await self._transport.call("GET", path, Correction)

    async def finished_correction(self, correction: Correction, *, every_seconds: float = 0.5) -> Correction:
        """It, as soon as what became of all its rows is known."""
        while not correction.is_finished:
            await apause(every_seconds)
            correction = await self.correction(correction.upload_id, correction.id)
        return correction

    @calls("cancelCorrection")
    async def cancel_correction(self, upload: UploadId, correction_id: str) -> Correction:
        """Rows that nobody has tried yet stay as they are."""
        path = path_of("uploads", id_of(upload), "corrections", correction_id)
        return await self._transport.call("DELETE", path, Correction)

    @calls("listCorrectedRows")
    def corrected_rows(
        self, upload: UploadId, correction_id: str, *, outcome: str | None = None
    ) -> AsyncPages[CorrectedRow]:
        path = path_of("uploads", id_of(upload), "corrections", correction_id, "rows")
        return self._pages(path, Listing[CorrectedRow], outcome=outcome)


def _joined(outcome: str | Sequence[str] | None) -> str | None:
    return outcome if outcome is None or isinstance(outcome, str) else ",".join(outcome)
