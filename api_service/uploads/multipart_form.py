"""Takes a multipart body apart as it arrives: the file's bytes are handed on, only small fields are kept."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api_service.http.problems import Problem, ProblemCode

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS: Final = 32
MAX_FIELD_BYTES: Final = 64 * 1024
MAX_FILENAME_CHARACTERS: Final = 255
MAX_NAMED_CHARACTERS: Final = 40

_control_characters = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# RFC 7578 forbids this form and some clients send nothing else.
_extended_filename = re.compile(r"""filename\*\s*=\s*"?(utf-8|iso-8859-1)'[^']*'([^;"\s]+)""", re.IGNORECASE)


class FormReader:
    """Fed with the body in blocks of any size. Everything raises `Problem`; then the reader is of no more use.

    `file_bytes` holds what came of the file since it was last cleared, at most one block.
    """

    def __init__(self, content_type: str | None, file_field: str, field_names: Collection[str]) -> None:
        self._file_field = file_field
        self._field_names = field_names
        self._parser = MultipartParser(_boundary(content_type), self._callbacks())
        self._headers: dict[bytes, bytearray] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._into: bytearray | None = None
        self._parts = 0
        self._ended = False
        self._fields: dict[str, bytearray] = {}
        self._repeated: str | None = None
        self.file_bytes = bytearray()
        self.filename: str | None = None

    def feed(self, block: bytes) -> None:
        try:
            self._parser.write(block)
        except FormParserError:
            raise _malformed("it does not follow multipart/form-data") from None

    def finish(self) -> dict[str, str]:
        """The other fields by name, when the body has ended. An empty one counts as not sent."""
        if not self._ended:
            raise _malformed("it ends before its closing boundary")
        if self.filename is None:
            raise Problem(
                ProblemCode.MISSING_FILE,
                f"Send the CSV as the field {self._file_field}, for example with "
                f"curl --form {self._file_field}=@employees.csv",
            )
        if self._repeated is not None:
            raise _refused_field(self._repeated, "give it once")
        try:
            return {name: value.decode() for name, value in self._fields.items() if value}
        except UnicodeDecodeError:
            raise _malformed("a field is not UTF-8") from None

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._take_header_name,
            "on_header_value": self._take_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._take_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _malformed(f"it has more than {MAX_PARTS} parts")
        self._headers = {}

    def _take_header_name(self, block: bytes, start: int, end: int) -> None:
        self._header_name += block[start:end]

    def _take_header_value(self, block: bytes, start: int, end: int) -> None:
        self._header_value += block[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = self._header_value
        self._header_name, self._header_value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        disposition = self._headers.get(b"content-disposition", bytearray()).decode("latin-1")
        name = parse_options_header(disposition)[1].get(b"name")
        if name is None:
            raise _malformed("a part has no name")
        filename = _filename(disposition)
        field = name.decode("utf-8", "replace")
        if field == self._file_field:
            if self.filename is not None:
                raise Problem(ProblemCode.SEVERAL_FILES, f"Send one file, in one field {self._file_field}.")
            self.filename = filename or "upload.csv"
            self._into = self.file_bytes
        elif filename is not None:
            raise Problem(
                ProblemCode.MISSING_FILE, f"Send one file, in the field {self._file_field}; another field has one."
            )
        elif field not in self._field_names:
            known = ", ".join(sorted(self._field_names))
            raise _refused_field(field, f"the form has no such field; it knows {self._file_field}, {known}")
        else:
            if field in self._fields:
                self._repeated = field
            self._into = self._fields[field] = bytearray()

    def _take_part(self, block: bytes, start: int, end: int) -> None:
        if self._into is None:
            return
        if self._into is not self.file_bytes and len(self._into) + end - start > MAX_FIELD_BYTES:
            raise _malformed(f"a field is longer than {MAX_FIELD_BYTES} bytes")
        self._into += memoryview(block)[start:end]

    def _end(self) -> None:
        self._ended = True


def _boundary(content_type: str | None) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the file as multipart/form-data.")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise _malformed("its Content-Type names no boundary of 1 to 70 characters")
    return boundary


def _filename(disposition: str) -> str | None:
    """The base name a client gives its file, fit to be shown and stored. `disposition` is bytes as latin-1."""
    given = parse_options_header(disposition)[1].get(b"filename")
    if given is not None:
        name = given.decode("utf-8", "replace").replace("%22", '"')
    elif extended := _extended_filename.search(disposition):
        name = unquote(extended[2], encoding=extended[1], errors="replace")
    else:
        return None
    base = re.split(r"[/\\]", _control_characters.sub("", name))[-1]
    return base.strip()[:MAX_FILENAME_CHARACTERS]


def _refused_field(field: str, detail: str) -> Problem:
    named = field[:MAX_NAMED_CHARACTERS]
    return Problem(
        ProblemCode.INVALID_REQUEST,
        f"The field {named} of the form cannot be taken: {detail}.",
        errors=[{"location": f"body.{named}", "detail": detail}],
    )


def _malformed(reason: str) -> Problem:
    return Problem(ProblemCode.MALFORMED_FORM, f"The body cannot be taken apart: {reason}.")
