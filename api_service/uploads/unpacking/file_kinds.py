"""What a file is, by how it begins and never by its name: text, what is unpacked first, or refused as what it is."""

from __future__ import annotations

import codecs
import re
from enum import Enum
from typing import Final, NamedTuple

from shared.errors import FileCode, FileProblem


class Packing(Enum):
    """What has to be unpacked before it can be read. Which workbook it is, or that it is none, the converter finds."""

    GZIP = "gzip"
    WORKBOOK = "workbook"


class _Refused(NamedTuple):
    what: str
    remedy: str


_UNPACK: Final = "Unpack it and send the file that is in it; gzip alone is unpacked here"
_EXPORT: Final = "Export it as CSV (text, UTF-8), or as an Excel workbook"
_OPEN_AND_SAVE: Final = "Open it in a spreadsheet program and save it as CSV UTF-8, or as .xlsx"
_IMAGE: Final = "Type the table into a spreadsheet, or have a program read it, and save it as CSV"

_GZIP: Final = b"\x1f\x8b"
# A zip archive, and an OLE2 document: an old workbook, or a new one behind a password.
_WORKBOOKS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")

_BINARY: Final = (
    (b"BZh", 4, b"1AY&SY", _Refused("compressed with bzip2", _UNPACK)),
    (b"\xfd7zXZ\x00", 0, b"", _Refused("compressed with xz", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", 0, b"", _Refused("a 7-Zip archive", _UNPACK)),
    (b"Rar!\x1a\x07", 0, b"", _Refused("a RAR archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", 0, b"", _Refused("compressed with zstd", _UNPACK)),
    (b"\x04\x22\x4d\x18", 0, b"", _Refused("compressed with lz4", _UNPACK)),
    (b"LZIP", 4, b"\x01", _Refused("compressed with lzip", _UNPACK)),
    (b"\x1f\x9d", 0, b"", _Refused("compressed with compress", _UNPACK)),
    (b"MSCF\0\0\0\0", 0, b"", _Refused("a cabinet archive", _UNPACK)),
    (b"", 257, b"ustar", _Refused("a tar archive", _UNPACK)),
    (b"%PDF-", 0, b"", _Refused("a PDF document", "Export the table from the program that made it, as CSV")),
    (b"%!PS", 0, b"", _Refused("a PostScript document", "Export the table from the program that made it, as CSV")),
    (b"\x89PNG\r\n\x1a\n", 0, b"", _Refused("a PNG image", _IMAGE)),
    (b"\xff\xd8\xff", 0, b"", _Refused("a JPEG image", _IMAGE)),
    (b"GIF8", 5, b"a", _Refused("a GIF image", _IMAGE)),
    (b"II*\0", 0, b"", _Refused("a TIFF image", _IMAGE)),
    (b"MM\0*", 0, b"", _Refused("a TIFF image", _IMAGE)),
    (b"RIFF", 8, b"WEBP", _Refused("a WebP image", _IMAGE)),
    (b"BM", 6, b"\0\0\0\0", _Refused("a BMP image", _IMAGE)),
    (b"", 4, b"ftyphei", _Refused("a HEIC image", _IMAGE)),
    (b"", 4, b"ftypmif1", _Refused("a HEIC image", _IMAGE)),
    (b"PAR1", 0, b"", _Refused("a Parquet file", _EXPORT)),
    (b"ARROW1\0\0", 0, b"", _Refused("an Arrow (Feather) file", _EXPORT)),
    (b"FEA1", 0, b"", _Refused("a Feather file", _EXPORT)),
    (b"Obj\x01", 0, b"", _Refused("an Avro file", _EXPORT)),
    (b"ORC\n", 0, b"", _Refused("an ORC file", _EXPORT)),
    (b"SQLite format 3\0", 0, b"", _Refused("an SQLite database", _EXPORT)),
    (b"\0\x01\0\0Standard ", 0, b"", _Refused("an Access database", _EXPORT)),
    (b"$FL2", 0, b"", _Refused("an SPSS file", _EXPORT)),
    (b"bplist00", 0, b"", _Refused("an Apple property list", _EXPORT)),
    (b"\x7fELF", 0, b"", _Refused("a program", _EXPORT)),
    (b"!BDN", 0, b"", _Refused("an Outlook data file", "Export the contacts from Outlook as CSV")),
)  # fmt: skip

_HTML: Final = _Refused(
    "an HTML page, whatever its name says (many programs export such pages as .xls)", _OPEN_AND_SAVE
)
_XML: Final = _Refused("XML", _OPEN_AND_SAVE)
_TEXT: Final = (
    (
        r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|table|meta|style|div|center|font)\b",
        _HTML,
    ),
    (r"<\?xml\b.*?progid=.Excel\.Sheet", _Refused("an Excel 2003 XML table", _OPEN_AND_SAVE)),
    (r"<\?xml\b", _XML),
    (r"\{\\rtf", _Refused("an RTF document", "Copy the table into a spreadsheet, and save it as CSV or as .xlsx")),
    (r"\{\s*(?:\"|\}\s*\Z)|\[\s*(?:[\[{]|\]\s*\Z|\"(?:[^\"\\]|\\.)*\"\s*[,\]])", _Refused("JSON", _EXPORT)),
    (r"BEGIN:VCARD\s*[\r\n]", _Refused("a vCard file", "Export the contacts as CSV")),
    (r"BEGIN:VCALENDAR\s*[\r\n]", _Refused("a calendar", _EXPORT)),
    (r"(?:version: *\d+\s+)?(?:#[^\n]*\n|\s)*dn::? *\w+=", _Refused("an LDIF export of a directory", _EXPORT)),
    (r"ID;P[^\r\n]*\r?\n(?:[PFBCO];)", _Refused("a SYLK table", _OPEN_AND_SAVE)),
    (r"TABLE\r?\n0,1\r?\n", _Refused("a DIF table", _OPEN_AND_SAVE)),
    (
        r"(?:--[^\n]*\n|/\*.*?\*/;?|\s)*(?:CREATE TABLE|INSERT INTO|SET NAMES|SET statement_timeout)\b",
        _Refused("an SQL dump", _EXPORT),
    ),
    (
        r"(?:MIME-Version|Return-Path|Received|Delivered-To|Message-ID):[^\r\n]*\r?\n(?:[\w-]+:|[ \t]+\S)",
        _Refused("an e-mail message (or a web page saved as one)", "Save the table that is attached, and send that"),
    ),
)  # fmt: skip
_text = [(re.compile(pattern, re.IGNORECASE | re.DOTALL), refused) for pattern, refused in _TEXT]
# Patterns look at no more than this, because some of them would look through the whole of it again and again.
_LOOKED_AT: Final = 4096


def packing_of(head: bytes, *, is_inside: bool = False) -> Packing | None:
    """None for what may be text. `is_inside` is true of what came out of a compressed file.

    Raises FileProblem not_csv, which names what the file is and says what to do.
    """
    if head.startswith(_GZIP):
        if is_inside:
            raise refuse("compressed twice", "Unpack it once and send that")
        return Packing.GZIP
    if head.startswith(_WORKBOOKS):
        return Packing.WORKBOOK
    refused = _binary(head) or _textual(head)
    if refused is not None:
        raise refuse(*refused)
    return None


def refuse(what: str, remedy: str) -> FileProblem:
    return FileProblem(FileCode.NOT_CSV, f"The file is no CSV: it is {what}. {remedy}.")


def _binary(head: bytes) -> _Refused | None:
    for start, at, sign, refused in _BINARY:
        if head.startswith(start) and head.startswith(sign, at):
            return refused
    return None


def _textual(head: bytes) -> _Refused | None:
    text = _ascii_of(head[:_LOOKED_AT]).lstrip("\ufeff \t\r\n")
    for pattern, refused in _text:
        if pattern.match(text):
            return refused
    return None


def _ascii_of(head: bytes) -> str:
    """The text as far as these signs go: they are ASCII, in one byte a character or in two."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "replace")
    return head.decode("utf-8", "replace")
