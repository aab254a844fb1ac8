# Made from rollcall/_async/uploads.py by `python -m tools.sync_client`: change that.
"""Methods about uploads: take one in, follow it, and what can be done with it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final, Unpack

import msgspec

from rollcall._sync.calls_base import Calls
from rollcall._sync.reading import Download, Pages
from rollcall._sync.transport import path_of
from rollcall._sync.upload import Upload
from rollcall.calls import calls
from rollcall.connection import retry_pause
from rollcall.errors import RollcallError
from rollcall.models import Listing, Sample
from rollcall.options import FileOptions, changed_options, form_fields
from rollcall.pauses import pause
from rollcall.sources import FormBody, OnBytes, Source, UploadSource

INTAKE_PATH: Final = "/v1/employee-data-upload"
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0

# An id, or an upload in hand.
UploadId = str | Upload


class UploadCalls(Calls):
    @calls("createUpload")
    def upload(
        self,
        file: Source,
        *,
        filename: str | None = None,
        draft: bool = False,
        idempotency_key: str | None = None,
        on_bytes: OnBytes | None = None,
        **options: Unpack[FileOptions],
    ) -> Upload:
        """Send a file: a path, bytes, an open file, or blocks of bytes, in constant memory.

        What can be read again is sent again when the connection breaks, with a key by which the service knows the
        second for the first. `on_bytes` is told how many bytes of the file went out, and of how many.
        """
        source = UploadSource(file, filename)
        fields = {**form_fields(options), **({"start": "draft"} if draft else {})}
        body = FormBody(source, fields, on_bytes)
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self._own(
            self._transport.send_form(INTAKE_PATH, body, Upload, headers=headers, is_safe=source.is_repeatable)
        )

    @calls("listUploads")
    def uploads(self, *, status: str | None = None) -> Pages[Upload]:
        """All uploads, the newest first."""
        return _UploadPages(self, {"status": status})

    @calls("getUpload")
    def get_upload(self, upload: UploadId) -> Upload:
        return self._upload_call("GET", upload)

    @calls("followUpload")
    def watch(self, upload: UploadId) -> Iterator[Upload]:
        """The upload, at once and each time that it has moved, until nothing goes on by itself any more.

        A connection that breaks is made again, from where it was. Raises Unreachable when that takes too long.
        """
        known: str | None = None
        away_since: float | None = None
        seconds = FIRST_PAUSE_SECONDS
        while True:
            try:
                with self._transport.events(path_of("uploads", id_of(upload), "events"), known) as events:
                    if events is None:
                        return
                    for event in events:
                        known, away_since, seconds = event.id or known, None, FIRST_PAUSE_SECONDS
                        latest = self._own(msgspec.json.decode(event.data, type=Upload))
                        yield latest
                        if event.event == "finished" or latest.is_resting:
                            return
            except RollcallError as error:
                away_since = away_since or time.monotonic()
                is_over = time.monotonic() - away_since > self._transport.connection.reconnect_seconds
                if is_over or not retry_pause(error, is_safe=True):
                    raise
            pause(seconds)
            seconds = min(2 * seconds, LONGEST_PAUSE_SECONDS)

    @calls("cancelUpload")
    def cancel(self, upload: UploadId) -> Upload:
        """Rows that are in stay in; the others count as `unprocessed`."""
        return self._upload_call("POST", upload, "cancel")

    @calls("undoUpload")
    def undo(self, upload: UploadId) -> Upload:
        """Take back what a finished upload did; what was changed since is kept, and named by `kept_rows`."""
        return self._upload_call("POST", upload, "undo")

    @calls("deleteUpload")
    def delete_upload(self, upload: UploadId, *, employees_stay: bool = False) -> None:
        """Delete a draft, or a finished upload with its file and rejects. Raises ConfirmationNeeded for one that could
        still be undone, unless `employees_stay`."""
        params = {"confirm": "employees-stay" if employees_stay else None}
        self._transport.call("DELETE", path_of("uploads", id_of(upload)), type(None), params=params)

    @calls("sampleUpload")
    def sample(self, upload: UploadId, *, rows: int = 20, **tried: Unpack[FileOptions]) -> Sample:
        """How the first rows of the file read, also under other options; nothing is changed."""
        params = {"rows": rows, **form_fields(tried)}
        return self._transport.call("GET", path_of("uploads", id_of(upload), "sample"), Sample, params=params)

    @calls("changeDraft")
    def change_draft(self, upload: UploadId, *, revision: int | None = None, **options: Unpack[FileOptions]) -> Upload:
        """Say anew how a draft is to be read. Raises RevisionChanged if it is at another `revision` by now."""
        headers = {"If-Match": "*" if revision is None else f'"{revision}"'}
        return self._upload_call("PATCH", upload, json=changed_options(options), headers=headers)

    @calls("previewUpload")
    def preview(self, upload: UploadId, *, revision: int | None = None) -> Upload:
        """Send all rows of a draft the whole way, and write nobody: then `Upload.preview` says what it would do."""
        return self._upload_call("POST", upload, "preview", headers=_if_match(revision))

    @calls("startDraft")
    def start(self, upload: UploadId, *, if_unchanged: bool = False, revision: int | None = None) -> Upload:
        """Raises PreviewDrifted with `if_unchanged`, if it would do something else by now than its preview said."""
        json = {"ifUnchanged": if_unchanged}
        return self._upload_call("POST", upload, "start", json=json, headers=_if_match(revision))

    @calls("downloadUpload")
    def file(self, upload: UploadId) -> Download:
        """The file as it was sent, byte for byte."""
        return Download(self._transport, path_of("uploads", id_of(upload), "file"))

    @calls("getUploadTemplate")
    def template_csv(self, *, language: str | None = None) -> Download:
        """A CSV to begin with: the header and an example."""
        return Download(self._transport, f"{INTAKE_PATH}/template.csv", {"language": language})

    @calls("getUploadWorkbookTemplate")
    def template_xlsx(self, *, language: str | None = None) -> Download:
        return Download(self._transport, f"{INTAKE_PATH}/template.xlsx", {"language": language})

    def _upload_call(
        self, method: str, upload: UploadId, *parts: str, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> Upload:
        path = path_of("uploads", id_of(upload), *parts)
        return self._own(self._transport.call(method, path, Upload, json=json, headers=headers))

    def _own(self, upload: Upload) -> Upload:
        upload.__dict__["client"] = self
        return upload


class _UploadPages(Pages[Upload]):
    """Uploads that know their client."""

    def __init__(self, calls_of_uploads: UploadCalls, params: Mapping[str, Any]) -> None:
        super().__init__(calls_of_uploads._transport, path_of("uploads"), Listing[Upload], params)
        self._calls = calls_of_uploads

    def _get(self, **paging: Any) -> Listing[Upload]:
        page = super()._get(**paging)
        page.data = [self._calls._own(upload) for upload in page.data]
        return page


def id_of(upload: UploadId) -> str:
    return upload.id if isinstance(upload, Upload) else upload


def _if_match(revision: int | None) -> dict[str, str]:
    return {} if revision is None else {"If-Match": f'"{revision}"'}
