"""Which encoding a file is read with: the one given if it can be, else UTF-8, UTF-16 by its mark, or cp1252."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import Final, NamedTuple

from shared.errors import FileCode, FileProblem
from shared.rows.byte_check import ByteCheck

# Python calls these text encodings too; no file is saved in them.
_NOT_FOR_FILES: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_UTF16: Final = frozenset({"utf-16", "utf-16-le", "utf-16-be"})
_WIDE: Final = _UTF16 | {"utf-32", "utf-32-le", "utf-32-be"}
_UTF8: Final = frozenset({"utf-8", "utf-8-sig"})
_CONTROL_BYTES: Final = bytes(set(range(0x20)) - set(b"\t\n\v\f\r\x1b"))
_MOST_CONTROL_BYTES: Final = 0.05
_MAGIC: Final = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF-", "a PDF document"),
    (b"\x1f\x8b", "compressed with gzip"),
)


class FileEncoding(NamedTuple):
    """A Python codec that reads the whole file, byte order mark included. Only a guess may meet unknown bytes."""

    codec: str
    guessed: bool


def choose_encoding(check: ByteCheck, given: str | None) -> FileEncoding:
    """Judge by what `check` saw of the whole file.

    Raises FileProblem: unknown_encoding, not_csv, or wrong_encoding, the last as far as `check` can tell (see
    `needs_decode_check`).
    """
    codec = _codec_name(given) if given else None
    marked_utf16 = check.is_utf16 and (codec is None or codec in _UTF16)
    _refuse_binary(check, zero_bytes_are_text=codec in _WIDE and not marked_utf16)
    if marked_utf16:
        return _if_it_decodes(check, "utf-16", given)
    if codec in _UTF8:
        if check.is_utf16:
            raise wrong_encoding(given or codec)
        return _if_it_decodes(check, _utf8_codec(check), given)
    if codec is None:
        return FileEncoding(_utf8_codec(check), False) if check.decodes else FileEncoding("cp1252", True)
    # Python would want a mark. Windows, which writes UTF-16 more than anybody, is little-endian.
    return FileEncoding("utf-16-le" if codec == "utf-16" else codec, guessed=False)


def encoding_needs_decode_check(check: ByteCheck, given: str | None) -> bool:
    if not given:
        return False
    codec = _codec_name(given)
    return codec not in _UTF8 and not (check.is_utf16 and codec in _UTF16)


def decode_check(blocks: Iterable[bytes], encoding: str) -> None:
    """Decode a whole file once, with the codec that was chosen for it. Memory is that of one block.

    Raises FileProblem wrong_encoding if it does not decode, not_csv if it decodes to NUL characters.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    has_nul = False
    try:
        for block in blocks:
            has_nul |= "\0" in decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeError:
        raise wrong_encoding(encoding) from None
    if has_nul:
        raise _not_csv("it has NUL characters")


def _codec_name(given: str) -> str:
    name = given.strip()
    try:
        b" ".decode(name, "replace")
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        codec = ""
    if not codec or codec in _NOT_FOR_FILES:
        raise FileProblem(
            FileCode.UNKNOWN_ENCODING,
            "The given encoding is not known here: use a name such as utf-8, utf-16, cp1252 or shift_jis.",
        )
    return codec


def _if_it_decodes(check: ByteCheck, codec: str, given: str | None) -> FileEncoding:
    if not check.decodes:
        raise wrong_encoding(given or "UTF-16, as its byte order mark says")
    return FileEncoding(codec, guessed=False)


def _utf8_codec(check: ByteCheck) -> str:
    return "utf-8-sig" if check.head.startswith(codecs.BOM_UTF8) else "utf-8"


def _refuse_binary(check: ByteCheck, *, zero_bytes_are_text: bool) -> None:
    head = check.head
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise _not_csv(f"it looks like {what}")
    if zero_bytes_are_text:
        return
    if check.has_nul:
        raise _not_csv("it has NUL characters")
    printable = head.translate(None, _CONTROL_BYTES)
    if not check.is_utf16 and len(head) - len(printable) > len(head) * _MOST_CONTROL_BYTES:
        raise _not_csv("it is full of control characters")


def wrong_encoding(encoding: str) -> FileProblem:
    return FileProblem(
        FileCode.WRONG_ENCODING,
        f"The file does not decode as {encoding}: name the encoding that it was saved in, or save it as UTF-8.",
    )


def _not_csv(reason: str) -> FileProblem:
    return FileProblem(
        FileCode.NOT_CSV,
        f"The file is no CSV: {reason}. Export it as CSV (text, UTF-8), and if it is UTF-16 or UTF-32 without a byte "
        "order mark, give the encoding.",
    )
