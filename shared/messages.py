"""Every message body that goes through RabbitMQ, as JSON, with its kind in the field `kind`."""

import re
import uuid
from typing import Annotated, Literal

import msgspec

from shared.errors import MalformedMessage
from shared.rows.layout import UNNAMED_ORDER, Layout, name_columns

# The reader itself refuses a row with this code alone. The consumer finds all others.
ReaderFault = Literal["row_too_long"]

# The tables hold no larger numbers: one would fail in the database each time it is delivered.
Position = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
ByteCount = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Attempt = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class UploadAnnounced(msgspec.Struct, frozen=True, kw_only=True, tag="upload_announced", tag_field="kind"):
    """A hint that an upload waits. The sweep finds it in the table `uploads` without this, only later."""

    upload_id: uuid.UUID


class _ChunkParts(msgspec.Struct, frozen=True, kw_only=True, tag="chunk", tag_field="kind"):
    upload_id: uuid.UUID
    first_row: Position
    byte_count: ByteCount
    line_numbers: list[Position]
    rows: list[list[str]]
    faults: dict[int, ReaderFault] = {}


class ChunkRequest(_ChunkParts, frozen=True, kw_only=True, tag="chunk", tag_field="kind"):
    """Consecutive rows of one upload, as raw cells.

    Row `first_row + i` stands on line `line_numbers[i]` and has the cells `rows[i]`. `faults` maps such an `i` to the
    code with which the reader refused the row. `byte_count` is the number of bytes that were read for this chunk: those
    of all chunks of an upload add up to its size.
    """

    layout: Layout


class RedriveRequest(msgspec.Struct, frozen=True, kw_only=True, tag="redrive", tag_field="kind"):
    """Rejected rows of one upload to be tried again: pairs of row number and the attempt that was rejected."""

    upload_id: uuid.UUID
    rows: list[tuple[Position, Attempt]]


class TextRequest(msgspec.Struct, frozen=True, kw_only=True, tag="text", tag_field="kind"):
    """A text to be answered. Its reply has the same correlation id."""

    text: str


class EmployeeRequest(msgspec.Struct, frozen=True, kw_only=True, tag="employee", tag_field="kind"):
    """One employee, as raw cells by the names of their fields, to be inserted and answered with its outcome."""

    correlation_id: uuid.UUID
    values: dict[str, str]


class UnnamedChunkRequest(_ChunkParts, frozen=True, kw_only=True, tag="chunk", tag_field="kind"):
    """A `ChunkRequest` of a release before 0.2.0: its layout has the columns of four fields in a fixed order."""

    layout: tuple[int, list[tuple[int, ...]]]

    def named(self) -> ChunkRequest:
        """Raises `ValueError` if the layout has not the four fields of its time."""
        width, columns = self.layout
        return ChunkRequest(**msgspec.structs.asdict(self) | {"layout": Layout(width, name_columns(columns))})


class UnnamedEmployeeRequest(msgspec.Struct, frozen=True, kw_only=True, tag="employee", tag_field="kind"):
    """An `EmployeeRequest` of a release before 0.2.0."""

    correlation_id: uuid.UUID
    cells: list[str]

    def named(self) -> EmployeeRequest:
        """Raises `ValueError` if there are not four cells."""
        values = dict(zip(UNNAMED_ORDER, self.cells, strict=True))
        return EmployeeRequest(correlation_id=self.correlation_id, values=values)


Request = ChunkRequest | RedriveRequest | TextRequest | EmployeeRequest


class ChunkCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes of a chunk's rows; the four counts add up to the number of its rows (P1)."""

    inserted: int = 0
    updated: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejected_by: dict[str, int] = {}


class ChunkReply(msgspec.Struct, frozen=True, kw_only=True, tag="chunk_reply", tag_field="kind"):
    """A hint to the producer: `done` means that the ledger has the chunk, `closed` that the upload takes no more."""

    upload_id: uuid.UUID
    first_row: int
    outcome: Literal["done", "closed"]
    row_count: int = 0
    byte_count: int = 0
    counts: ChunkCounts = ChunkCounts()


class EmployeeOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome for one employee; a rejection says why."""

    outcome: Literal["inserted", "duplicate", "rejected"]
    code: str | None = None
    field: str | None = None
    message: str | None = None


class RequestReply(msgspec.Struct, frozen=True, kw_only=True, tag="request_reply", tag_field="kind"):
    """The answer to the request with the same correlation id."""

    response: str | EmployeeOutcome


class RequestsLost(msgspec.Struct, frozen=True, tag="requests_lost", tag_field="kind"):
    """A hint to all producers: the request queue was deleted, with what was in it, and is there again."""


Reply = ChunkReply | RequestReply | RequestsLost


class DeadLetterMessage(msgspec.Struct, frozen=True, kw_only=True, tag="dead_letter", tag_field="kind", rename="camel"):
    """One rejected row as people find it in `employees.dead-letters`; its id is that of a `RowLetter`
    (`shared.dead_letters.identity`)."""

    upload_id: uuid.UUID
    row_number: int
    line_number: int
    attempt: int
    code: str
    field: str | None
    message: str
    cells: list[str]


# A body that is nested too deeply raises RecursionError.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encoder = msgspec.json.Encoder()
_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_UnnamedRequest = UnnamedChunkRequest | UnnamedEmployeeRequest
_unnamed_decoder: msgspec.json.Decoder[_UnnamedRequest] = msgspec.json.Decoder(_UnnamedRequest)
_reply_decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
_announcement_decoder = msgspec.json.Decoder(UploadAnnounced)


def encode(message: msgspec.Struct) -> bytes:
    return _encoder.encode(message)


def decode_request(body: bytes) -> Request:
    """Raises `MalformedMessage` with a reason that holds no value out of the body (P8)."""
    try:
        request = _request_decoder.decode(body)
    except _UNREADABLE as error:
        older = _decode_unnamed(body)
        if older is None:
            raise MalformedMessage(f"not a request: {_without_values(error)}") from None
        request = older
    if isinstance(request, ChunkRequest) and not 0 < len(request.rows) == len(request.line_numbers):
        raise MalformedMessage("not a request: a chunk needs rows, and a line number for each")
    # One that does not fit makes every row fail, which looks like our fault and would be tried for ever.
    if isinstance(request, ChunkRequest) and not request.layout.fits:
        raise MalformedMessage("not a request: the layout names columns that there are not")
    return request


def _decode_unnamed(body: bytes) -> Request | None:
    try:
        return _unnamed_decoder.decode(body).named()
    except (*_UNREADABLE, ValueError):
        return None


def decode_reply(body: bytes) -> Reply:
    try:
        return _reply_decoder.decode(body)
    except _UNREADABLE as error:
        raise MalformedMessage(f"not a reply: {_without_values(error)}") from None


def decode_announcement(body: bytes) -> UploadAnnounced:
    try:
        return _announcement_decoder.decode(body)
    except _UNREADABLE as error:
        raise MalformedMessage(f"not an announcement: {_without_values(error)}") from None


def _without_values(error: Exception) -> str:
    """Types and places stand in backticks; only what came out of the body is in quotes."""
    return re.sub(r"'.*'", "…", str(error), flags=re.DOTALL)
