"""Every code with which a row or a file is refused, and the errors of the services, split by consequence.

    RollcallError
    ├── FileProblem      the file cannot be taken or finished: a 4xx before the 202, `failed` after it
    ├── MalformedMessage this message can never be handled: dead-letter it and go on
    └── TryAgainLater    the fault is ours (database, broker, machine): hold the message, nothing is wrong with it
        ├── RowHangs         a row never ends: give its chunk back, as if its consumer had died
        └── NewerThanKnown   a newer release wrote it: give it back, for a newer process to take

A row that is refused raises nothing: validation returns a `RowFault` (`shared.rows.employee_row`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class RowCode(StrEnum):
    """The reason for which a row is in the dead letters. Stable, because people write scripts against these."""

    WRONG_COLUMN_COUNT = "wrong_column_count"
    ROW_TOO_LONG = "row_too_long"
    MALFORMED_QUOTES = "malformed_quotes"
    MISSING_VALUE = "missing_value"
    VALUE_TOO_LONG = "value_too_long"
    CONTROL_CHARACTER = "control_character"
    UNREADABLE_CHARACTER = "unreadable_character"
    INVALID_MOBILE = "invalid_mobile"
    SPREADSHEET_DAMAGE = "spreadsheet_damage"
    INVALID_EMAIL = "invalid_email"
    DUPLICATE_EMAIL = "duplicate_email"
    UNKNOWN_EMAIL = "unknown_email"
    INTERNAL_ERROR = "internal_error"
    POISON_ROW = "poison_row"
    UPLOAD_UNDONE = "upload_undone"
    ERASED_PERSON = "erased_person"


# What is said of a valid row that is refused for who is there, or is not.
EMAIL_REFUSALS: Final = {
    RowCode.DUPLICATE_EMAIL: "An employee with this email is there already; this upload rejects duplicates.",
    RowCode.UNKNOWN_EMAIL: "No employee has this email, and nobody is inserted without a name: correct the email, fill "
    "in employee_name, or redrive the row once the employee is there.",
}

ERASED_REFUSAL: Final = (
    "This person was erased from Rollcall and is not taken again; what the row said was not kept. Leave the row out of "
    "the file, or have the person allowed again and upload it anew."
)


class FileCode(StrEnum):
    """The reason for which a whole file was refused (422, before the 202) or ended `failed` (after it)."""

    EMPTY_FILE = "empty_file"
    NOT_CSV = "not_csv"
    DAMAGED_FILE = "damaged_file"
    TOO_LARGE_UNPACKED = "too_large_unpacked"
    UNKNOWN_SHEET = "unknown_sheet"
    UNKNOWN_ENCODING = "unknown_encoding"
    WRONG_ENCODING = "wrong_encoding"
    ENCODING_UNCLEAR = "encoding_unclear"
    INVALID_DELIMITER = "invalid_delimiter"
    INVALID_MAPPING = "invalid_mapping"
    MISSING_COLUMNS = "missing_columns"
    AMBIGUOUS_COLUMNS = "ambiguous_columns"
    UNKNOWN_COLUMN = "unknown_column"
    UNLIKELY_COLUMNS = "unlikely_columns"
    NO_HEADER = "no_header"
    HEADER_TOO_LONG = "header_too_long"
    UNCLOSED_QUOTE = "unclosed_quote"
    FILE_CHANGED = "file_changed"
    FILE_MISSING = "file_missing"
    TOO_MANY_REJECTS = "too_many_rejects"
    TOO_MANY_ABSENT = "too_many_absent"
    ABSENT_UNCLEAR = "absent_unclear"
    NO_PROGRESS = "no_progress"
    LEDGER_MISMATCH = "ledger_mismatch"
    DRAFT_EXPIRED = "draft_expired"


class RollcallError(Exception):
    """The root of all errors that the services raise themselves."""


class FileProblem(RollcallError):
    """The file as a whole is refused. `detail` tells its owner what to do; `errors` names several culprits.

    `more` are members of this code alone, for the answer to the sender and for nobody's log: they may quote the file.
    """

    def __init__(
        self,
        code: FileCode,
        detail: str,
        errors: tuple[dict[str, str], ...] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.more = more or {}


class MalformedMessage(RollcallError):
    """No retry can help this message: no release of ours wrote it."""


class TryAgainLater(RollcallError):
    """Nothing is wrong with the row or the message: the database, the broker or this process is."""


class RowHangs(TryAgainLater):
    """A row took longer than it may, while the database answered others: its consumer counts as dead at that row."""


class NewerThanKnown(TryAgainLater):
    """A newer release wrote this. This process cannot judge it, so it neither handles nor refuses it."""
