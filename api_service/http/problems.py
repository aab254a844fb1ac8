"""Every refusal of the API, as RFC 9457 problems: the table of codes, and the exception that a route raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from api_service.http.row_faults import RowFaultDocument
from shared.access.refusals import AccessCode
from shared.errors import FileCode
from shared.service import problem_document
from shared.service.problem_document import StatusCode, described_problems


class ProblemCode(StatusCode):
    """Codes that a request is refused with, beside those of a file (`FileCode`, always 422). Stable."""

    INVALID_REQUEST = "invalid_request", 422, "A parameter, header or body is not as described"
    INVALID_CURSOR = "invalid_cursor", 422, "The cursor belongs to another list or other filters"
    PAGE_TOO_DEEP = "page_too_deep", 422, "The page is too far into a search: follow nextCursor instead"
    SEARCH_TERM_TOO_VAGUE = "search_term_too_vague", 422, "The search term has no letter or digit to look for"
    MALFORMED_FORM = "malformed_form", 400, "The multipart body is broken or ends too early"
    MISSING_FILE = "missing_file", 422, "The form has no file in the field employee_data"
    SEVERAL_FILES = "several_files", 422, "The form has more than one file"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415, "The body is not multipart/form-data"
    TOO_LARGE = "too_large", 413, "The body is larger than this service takes"
    BODY_TIMEOUT = "body_timeout", 408, "The body came too slowly"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", 422, "The key came before with other content or options"
    AUTHENTICATION_OFF = "authentication_off", 409, "The service asks nobody for a key, so it makes none"
    SIGN_IN_REFUSED = "sign_in_refused", 403, "The provider's word lets nobody in"
    PROVIDER_UNAVAILABLE = "provider_unavailable", 503, "The provider where people sign in cannot be used just now"
    UNKNOWN_KEY = "unknown_key", 404, "No key has this id"
    NOT_FOUND = "not_found", 404, "There is nothing at this address"
    UNKNOWN_UPLOAD = "unknown_upload", 404, "No upload has this id"
    UNKNOWN_REJECT = "unknown_reject", 404, "This row of the upload is no reject, or no more"
    UNKNOWN_CORRECTION = "unknown_correction", 404, "No correction has this id"
    UNKNOWN_EMPLOYEE = "unknown_employee", 404, "No employee has this id"
    UNKNOWN_JOB = "unknown_job", 404, "No job has this id"
    UNKNOWN_ERASURE = "unknown_erasure", 404, "No erasure has this id"
    UNKNOWN_QUEUE = "unknown_queue", 404, "No queue has this name yet"
    UNKNOWN_SUBSCRIPTION = "unknown_subscription", 404, "The queue has no subscription"
    UNKNOWN_MESSAGE = "unknown_message", 404, "The queue has no message with this id, or no more"
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "This address does not take this method"
    ALREADY_FINISHED = "already_finished", 409, "It is finished and cannot be cancelled"
    NOT_A_DRAFT = (
        "not_a_draft",
        409,
        "The upload was started, cancelled or is over: it cannot be changed, previewed or started",
    )
    NOT_PREVIEWED = "not_previewed", 409, "There is no preview that it could be held against"
    PREVIEW_DRIFTED = "preview_drifted", 409, "It would do something else by now than its preview said"
    DRAFT_HAS_PROBLEM = (
        "draft_has_problem",
        409,
        "The draft's `problem` has to be mended by options before it can start",
    )
    REVISION_CHANGED = "revision_changed", 412, "The upload has another revision than `If-Match` says"
    REVISION_NEEDED = "revision_needed", 428, "The header `If-Match` with the upload's `revision` is missing"
    NOT_FINISHED = "not_finished", 409, "The upload is not finished: cancel it first, or wait"
    ALREADY_UNDONE = "already_undone", 409, "The upload was undone already"
    UNDO_EXPIRED = "undo_expired", 409, "What the upload replaced is not kept any more, so it cannot be undone"
    CONFIRMATION_NEEDED = "confirmation_needed", 409, "This takes away more than it seems: say that you mean it"
    DEAD_LETTERS_BUSY = "dead_letters_busy", 409, "Another redrive or deletion is at work"
    ROW_CHANGED = "row_changed", 409, "Somebody else was faster: the row is not what it was"
    LETTER_DELETED = "letter_deleted", 409, "The row's dead letter was deleted, so it is settled"
    INVALID_CORRECTIONS = "invalid_corrections", 422, "The file has rows that correct nothing; nothing was done"
    STILL_REJECTED = "still_rejected", 422, "With these cells the row would be rejected again"
    LEASE_LOST = "lease_lost", 409, "The lease ran out or was given up; the message may be another's by now"
    QUEUE_NOT_EMPTY = "queue_not_empty", 409, "There are messages in the queue"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions", 409, "As many queues as may be have a subscription already"
    MESSAGE_LEASED = "message_leased", 409, "Somebody has the message under a lease"
    RESULTS_UNKNOWN = "results_unknown", 409, "The file was never read, or an older release noted no row's outcome"
    REJECTS_GONE = "rejects_gone", 410, "The rejected rows were deleted when their time was over"
    FILE_GONE = "file_gone", 410, "The stored file was deleted when its time was over"
    ERASURE_KEY_MISSING = "erasure_key_missing", 409, "Nobody can be erased without `ROLLCALL_ERASURE_KEY`"
    ERASURE_KEY_WRONG = "erasure_key_wrong", 409, "People were erased with another `ROLLCALL_ERASURE_KEY`"
    CONVERSION_BUSY = "conversion_busy", 503, "Too many workbooks are being read at once"
    HEADERS_TOO_LARGE = "headers_too_large", 431, "The headers are larger than this service takes"
    HEADERS_TIMEOUT = "headers_timeout", 408, "The headers came too slowly"
    INTERNAL_ERROR = "internal_error", 500, "The service failed; its log says where"
    SERVICE_BUSY = "service_busy", 503, "The service has too much in hand"
    TOO_MUCH_STORED = "too_much_stored", 429, "The key's name has as much stored as it may have"
    DATABASE_BUSY = "database_busy", 503, "The database has no time for this now"
    DATABASE_UNAVAILABLE = "database_unavailable", 503, "The database does not answer"
    BROKER_UNAVAILABLE = "broker_unavailable", 503, "The message broker does not answer"
    STORAGE_UNAVAILABLE = "storage_unavailable", 503, "The upload store does not answer"
    WRONG_STORAGE = "wrong_storage", 503, "The upload store is not the one that this system's files are in"
    STORAGE_FULL = "storage_full", 507, "The upload store is full"


# Any request that needs the database can be answered one of these.
DATABASE_PROBLEMS = (ProblemCode.DATABASE_BUSY, ProblemCode.DATABASE_UNAVAILABLE)

FILE_MEANINGS: Mapping[FileCode, str] = {
    FileCode.EMPTY_FILE: "The file is empty",
    FileCode.NOT_CSV: "The file is not CSV",
    FileCode.DAMAGED_FILE: "The compressed file or workbook is damaged, cut off, or protected by a password",
    FileCode.TOO_LARGE_UNPACKED: "Unpacked, the file is larger than this service takes",
    FileCode.UNKNOWN_SHEET: "The workbook has no such sheet",
    FileCode.UNKNOWN_ENCODING: "The given encoding is not known",
    FileCode.WRONG_ENCODING: "The file is not in the encoding that is given or that its byte order mark says",
    FileCode.ENCODING_UNCLEAR: "The file can be read in several encodings: choose one of `candidates` by how it reads",
    FileCode.INVALID_DELIMITER: "The given delimiter cannot be one",
    FileCode.INVALID_MAPPING: "The given mapping, or the given columns, are not as described",
    FileCode.MISSING_COLUMNS: "The header lacks a column",
    FileCode.AMBIGUOUS_COLUMNS: "Several columns could be the same field",
    FileCode.UNKNOWN_COLUMN: "The mapping names a column that the header lacks",
    FileCode.UNLIKELY_COLUMNS: "A column seems to hold something else than it is called",
    FileCode.NO_HEADER: "The file begins with somebody's data: say with `columns` which columns it has",
    FileCode.HEADER_TOO_LONG: "The header has more than 16,384 columns or 1 MiB",
    FileCode.UNCLOSED_QUOTE: "A quote is opened and never closed",
    FileCode.FILE_CHANGED: "The stored file is not the one that was uploaded",
    FileCode.FILE_MISSING: "The stored file is gone",
    FileCode.TOO_MANY_REJECTS: "More rows were rejected than the upload allows",
    FileCode.TOO_MANY_ABSENT: "The file lacks more employees than `absentAtMost`: nobody was deactivated",
    FileCode.ABSENT_UNCLEAR: "The email of a rejected row cannot be read: nobody was deactivated",
    FileCode.NO_PROGRESS: "Processing was given up after repeated failures",
    FileCode.LEDGER_MISMATCH: "What is on record as done does not fit the file",
    FileCode.DRAFT_EXPIRED: "Nobody started the draft while it was kept",
}


class EncodingCandidate(BaseModel):
    """One way to read a file whose encoding is unclear."""

    encoding: str = Field(description="To be sent as `encoding`.", examples=["cp1250"])
    samples: list[str] = Field(
        description="Names, or other cells, of the file as this encoding reads them.", examples=[["Jiří Novák"]]
    )


class ProblemDocument(problem_document.ProblemDocument):
    """An error (RFC 9457). `code` is stable, and what a program should look at."""

    faults: list[RowFaultDocument] | None = Field(
        None, description="Of `still_rejected` alone: all that is wrong with the row."
    )

    candidates: list[EncodingCandidate] | None = Field(
        None, description="Of `encoding_unclear` alone: up to five ways to read the file, the likeliest first."
    )


class Problem(Exception):
    """An answer other than the one hoped for. `detail` tells the client what to do; it quotes no employee data."""

    def __init__(
        self,
        code: ProblemCode | AccessCode | FileCode,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = _status(code)
        self.detail = detail
        self.errors = errors
        self.headers = headers
        self.more = more


def problem_responses(*codes: ProblemCode | FileCode) -> dict[int | str, dict[str, Any]]:
    """A route's `responses=` in OpenAPI: its problems by status."""
    schema = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    return described_problems([(_status(code), code, meaning_of(code)) for code in codes], schema)


def _status(code: ProblemCode | AccessCode | FileCode) -> int:
    return code.status if isinstance(code, StatusCode) else 422


def meaning_of(code: ProblemCode | AccessCode | FileCode) -> str:
    return code.meaning if isinstance(code, StatusCode) else FILE_MEANINGS[code]
