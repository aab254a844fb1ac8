"""Every message body that goes through RabbitMQ, as JSON, with its kind in `kind` and its form in `version`.

`version` is the lowest that a reader must know to read this message. Raise `NEWEST_VERSION`, and let messages say it
that need it, with each new kind, field or code: readers refuse a field that they do not know, and older ones would take
such a message for malformed (docs/decisions/0013). Releases up to 0.2.0 stated none, which means 1.
"""

import re
import uuid
from typing import Annotated, Final, Literal, NoReturn, get_args

import msgspec

from shared.decoded_size import decoded_bytes
from shared.errors import MalformedMessage, NewerThanKnown
from shared.rows.layout import UNNAMED_ORDER, Layout, name_columns

NEWEST_VERSION: Final = 5
# Of most messages, of a chunk whose layout has optional fields, of undos, of chunks of previews, and of what is about
# leavers: ranges of them, and chunks, previewed or not, whose consumer has to note whom they name.
PLAIN_VERSION: Final = 1
OPTIONAL_VERSION: Final = 3
UNDO_VERSION: Final = 3
PREVIEW_VERSION: Final = 4
NAMING_VERSION: Final = 5
# The largest chunks of either reader version decode to less; whoever may publish can put anything into the queue.
DECODED_BYTES: Final = 48 * 1024 * 1024

# The reader itself refuses a row with these codes alone. The consumer finds all others.
ReaderFault = Literal["row_too_long", "malformed_quotes"]

# The tables hold no larger numbers: one would fail in the database each time it is delivered.
Position = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
# Of an employee that an upload wrote: a row of its file, or below zero one that its file lacks (`leavers`).
Place = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
ByteCount = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
ReaderVersion = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Version = Annotated[int, msgspec.Meta(ge=1, le=NEWEST_VERSION)]
Attempt = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Version = PLAIN_VERSION


class UploadAnnounced(_Message, frozen=True, kw_only=True, tag="upload_announced", tag_field="kind"):
    """A hint that an upload waits. The sweep finds it in the table `uploads` without this, only later."""

    upload_id: uuid.UUID


class _ChunkParts(_Message, frozen=True, kw_only=True, tag="chunk", tag_field="kind"):
    upload_id: uuid.UUID
    first_row: Position
    byte_count: ByteCount
    line_numbers: list[Position]
    rows: list[list[str]]
    faults: dict[int, ReaderFault] = {}
    fault_messages: dict[int, str] = {}
    reader_version: ReaderVersion = 1


class ChunkRequest(_ChunkParts, frozen=True, kw_only=True, tag="chunk", tag_field="kind"):
    """Consecutive rows of one upload, as raw cells.

    Row `first_row + i` stands on line `line_numbers[i]` and has the cells `rows[i]`. `faults` maps such an `i` to the
    code with which the reader refused the row, and `fault_messages` to what there is to say beyond the code.
    `byte_count` is the number of bytes that were read for this chunk: those of all chunks of an upload add up to its
    size. `reader_version` is that of the rules which cut the file into these rows.
    """

    layout: Layout


class PreviewChunkRequest(ChunkRequest, frozen=True, kw_only=True, tag="preview_chunk", tag_field="kind"):
    """A chunk of which is only to be found out what would become of it, for the preview with this id."""

    version: Version = PREVIEW_VERSION
    preview_id: Position


class RedriveRequest(_Message, frozen=True, kw_only=True, tag="redrive", tag_field="kind"):
    """Rejected rows of one upload to be tried again: pairs of row number and the attempt that was rejected."""

    upload_id: uuid.UUID
    rows: list[tuple[Position, Attempt]]


class CorrectionRequest(_Message, frozen=True, kw_only=True, tag="correction", tag_field="kind"):
    """Rejected rows of one upload to be tried again with other cells.

    Each is its row number, the attempt that was rejected, and its cells. It has its effect while the correction with
    this id waits for the row.
    """

    version: Version = 3
    upload_id: uuid.UUID
    correction_id: uuid.UUID
    rows: list[tuple[Position, Attempt, list[str]]]


class UndoRequest(_Message, frozen=True, kw_only=True, tag="undo", tag_field="kind"):
    """What became of these rows of an upload, whole chunks of its ledger, is to be taken back."""

    version: Version = UNDO_VERSION
    upload_id: uuid.UUID
    first_row: Place
    last_row: Place


class LeaversRequest(_Message, frozen=True, kw_only=True, tag="leavers", tag_field="kind"):
    """The leavers of an upload with these numbers are to be marked as left."""

    version: Version = NAMING_VERSION
    upload_id: uuid.UUID
    first_number: Position
    last_number: Position


class TextRequest(_Message, frozen=True, kw_only=True, tag="text", tag_field="kind"):
    """A text to be answered. Its reply has the same correlation id."""

    text: str


class EmployeeRequest(_Message, frozen=True, kw_only=True, tag="employee", tag_field="kind"):
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


class UnnamedEmployeeRequest(_Message, frozen=True, kw_only=True, tag="employee", tag_field="kind"):
    """An `EmployeeRequest` of a release before 0.2.0."""

    correlation_id: uuid.UUID
    cells: list[str]

    def named(self) -> EmployeeRequest:
        """Raises `ValueError` if there are not four cells."""
        values = dict(zip(UNNAMED_ORDER, self.cells, strict=True))
        return EmployeeRequest(correlation_id=self.correlation_id, values=values)


Request = (
    ChunkRequest
    | PreviewChunkRequest
    | RedriveRequest
    | CorrectionRequest
    | UndoRequest
    | LeaversRequest
    | TextRequest
    | EmployeeRequest
)


class ChunkCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The outcomes of a chunk's rows; the four counts add up to the number of its rows (P1)."""

    inserted: int = 0
    updated: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejected_by: dict[str, int] = {}


class ChunkReply(_Message, frozen=True, kw_only=True, tag="chunk_reply", tag_field="kind"):
    """A hint to the producer: `done` means that the ledger has the chunk, `closed` that the upload takes no more.

    Of leavers `first_row` is their first number.
    """

    upload_id: uuid.UUID
    first_row: int
    outcome: Literal["done", "closed"]
    row_count: int = 0
    byte_count: int = 0
    counts: ChunkCounts = ChunkCounts()


class PreviewReply(ChunkReply, frozen=True, kw_only=True, tag="preview_reply", tag_field="kind"):
    """The same of a preview; of its `counts` only those of rejected rows are known yet, the others are `inserted`."""

    version: Version = 4
    preview_id: int


class EmployeeOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The outcome for one employee; a rejection says why."""

    outcome: Literal["inserted", "duplicate", "rejected"]
    code: str | None = None
    field: str | None = None
    message: str | None = None


class RequestReply(_Message, frozen=True, kw_only=True, tag="request_reply", tag_field="kind"):
    """The answer to the request with the same correlation id."""

    response: str | EmployeeOutcome


class RequestsLost(_Message, frozen=True, tag="requests_lost", tag_field="kind"):
    """A hint to all producers: the request queue was deleted, with what was in it, and is there again."""


Reply = ChunkReply | PreviewReply | RequestReply | RequestsLost


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the things that are wrong with a rejected row."""

    code: str
    field: str | None
    message: str


class DeadLetterMessage(_Message, frozen=True, kw_only=True, tag="dead_letter", tag_field="kind", rename="camel"):
    """One rejected row as people find it in `employees.dead-letters`; its id is that of a `RowLetter`
    (`shared.dead_letters.identity`). `code`, `field` and `message` are those of the first of its `faults`."""

    version: Version = 2
    upload_id: uuid.UUID
    row_number: int
    line_number: int
    attempt: int
    code: str
    field: str | None
    message: str
    faults: list[Fault] = []
    cells: list[str]


# A body that is nested too deeply raises RecursionError.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


_Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]*\Z")]


class _Envelope(msgspec.Struct):
    """What is asked of a body that cannot be read: is it a newer release's?"""

    kind: _Name
    version: int
    faults: dict[int, _Name] = {}


_encoder = msgspec.json.Encoder()
_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_UnnamedRequest = UnnamedChunkRequest | UnnamedEmployeeRequest
_unnamed_decoder: msgspec.json.Decoder[_UnnamedRequest] = msgspec.json.Decoder(_UnnamedRequest)
_reply_decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
_announcement_decoder = msgspec.json.Decoder(UploadAnnounced)
_envelope_decoder = msgspec.json.Decoder(_Envelope)
_KNOWN_KINDS = frozenset(
    kind.__struct_config__.tag for kind in (*get_args(Request), *get_args(Reply), UploadAnnounced, DeadLetterMessage)
)
_KNOWN_FAULTS = frozenset(get_args(ReaderFault))


def encode(message: msgspec.Struct) -> bytes:
    return _encoder.encode(message)


def encode_rows(rows: list[list[str]]) -> bytes:
    """Rows as they stand in a chunk's message, without the brackets around them all."""
    return _encoder.encode(rows)[1:-1]


def decode_request(body: bytes) -> Request:
    """Raises `NewerThanKnown`, or `MalformedMessage` with a reason that holds no value out of the body (P8)."""
    if decoded_bytes(body) > DECODED_BYTES:
        _refuse(body, "a request", ValueError("it is larger than any chunk that a producer cuts"))
    try:
        request = _request_decoder.decode(body)
    except _UNREADABLE as error:
        older = _decode_unnamed(body)
        if older is None:
            _refuse(body, "a request", error)
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
        _refuse(body, "a reply", error)


def decode_announcement(body: bytes) -> UploadAnnounced:
    try:
        return _announcement_decoder.decode(body)
    except _UNREADABLE as error:
        _refuse(body, "an announcement", error)


def _refuse(body: bytes, wanted: str, error: Exception) -> NoReturn:
    if _is_newer(body):
        raise NewerThanKnown(f"not {wanted} of a version up to {NEWEST_VERSION}: update this service") from None
    raise MalformedMessage(f"not {wanted}: {_without_values(error)}") from None


def _is_newer(body: bytes) -> bool:
    """Asked only of what cannot be read, so that the others cost nothing more.

    A release that states no version has no kind and no code that is unknown here.
    """
    try:
        envelope = _envelope_decoder.decode(body)
    except _UNREADABLE:
        return False
    is_known = envelope.kind in _KNOWN_KINDS and _KNOWN_FAULTS.issuperset(envelope.faults.values())
    return envelope.version > NEWEST_VERSION or (envelope.version > 0 and not is_known)


def _without_values(error: Exception) -> str:
    """Types and places stand in backticks; only what came out of the body is in quotes."""
    return re.sub(r"'.*'", "…", str(error), flags=re.DOTALL)
