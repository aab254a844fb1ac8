"""Which encoding a file is read with: by its mark, as given, UTF-8 by vote, cp1252 where it is plain, or we ask."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from shared.errors import FileCode, FileProblem, RollcallError
from shared.rows.byte_check import ByteCheck
from shared.rows.encoding_guess import RankEncodings, Reading, is_surely_windows, rank_encodings, readings
from shared.rows.encoding_names import codec_of
from shared.rows.line_vote import LineVote, OddByte

_UTF16: Final = frozenset({"utf-16", "utf-16-le", "utf-16-be"})
_WIDE: Final = _UTF16 | {"utf-32", "utf-32-le", "utf-32-be"}
_UTF8: Final = frozenset({"utf-8", "utf-8-sig"})
# In these a byte means what the bytes before it say.
_STATEFUL: Final = ("iso2022", "hz", "utf-7", "utf_7")
_ASCII: Final = b"\t\n\r" + bytes(range(0x20, 0x7F))
_MARKED: Final = "UTF-8, as its byte order mark says"
_CONTROL_BYTES: Final = bytes(set(range(0x20)) - set(b"\t\n\v\f\r\x1b"))
_MOST_CONTROL_BYTES: Final = 0.05


class FileEncoding(NamedTuple):
    """A Python codec that reads the file, byte order mark included. A byte it cannot read makes its row unreadable."""

    codec: str
    guessed: bool


class UnclearEncoding(RollcallError):
    """The file is no UTF-8, and what it is the sender has to say: these are the ways to read it, best first."""

    def __init__(self, ranked: Sequence[Reading]) -> None:
        super().__init__("the encoding is unclear")
        self.ranked = ranked


def choose_encoding(check: ByteCheck, given: str | None, rank: RankEncodings = rank_encodings) -> FileEncoding:
    """Judge by what `check` saw of the whole file: a byte order mark binds, then what is given, then the lines vote.

    Raises UnclearEncoding, and FileProblem: unknown_encoding, not_csv, or wrong_encoding, the last as far as `check`
    can tell (see `encoding_needs_decode_check`).
    """
    codec = None if is_guess(given) else _codec_name(given or "")
    marked_utf16 = check.is_utf16 and (codec is None or codec in _UTF16)
    _refuse_binary(check, zero_bytes_are_text=codec in _WIDE and not marked_utf16)
    if marked_utf16:
        return _if_it_decodes(check, "utf-16", given)
    if check.is_utf16 and codec in _UTF8:
        raise wrong_encoding(given or "utf-8")
    if check.has_utf8_mark or codec in _UTF8:
        if check.vote.is_lost:
            raise wrong_encoding(_MARKED if check.has_utf8_mark else "utf-8", check.vote.first_odd)
        return FileEncoding(_utf8_codec(check), guessed=False)
    if codec is not None:
        # Python would want a mark. Windows, which writes UTF-16 more than anybody, is little-endian.
        return FileEncoding("utf-16-le" if codec == "utf-16" else codec, guessed=False)
    if not check.vote.is_lost:
        return FileEncoding("utf-8", guessed=False)
    ranked = readings(check.vote.odd_lines, rank)
    if given or is_surely_windows(ranked):
        return FileEncoding(ranked[0].codec, guessed=True)
    raise UnclearEncoding(ranked)


def is_guess(given: str | None) -> bool:
    """Whether the sender leaves the encoding to us, come what may, or has said nothing of it."""
    return not given or given.strip().lower() == "guess"


def encoding_needs_decode_check(check: ByteCheck, given: str | None) -> bool:
    if given is None or is_guess(given) or check.has_utf8_mark:
        return False
    codec = _codec_name(given)
    return codec not in _UTF8 and not (check.is_utf16 and codec in _UTF16)


def decode_check(blocks: Iterable[bytes], encoding: str) -> None:
    """Decode a whole file once, with the codec that was chosen for it. Memory is that of one block.

    Raises FileProblem wrong_encoding if more lines with other than ASCII characters do not decode than do, not_csv if
    the file has NUL characters.
    """
    if _is_read_by_lines(encoding):
        _vote(blocks, encoding)
    else:
        _decode_all(blocks, encoding)


def lines_vote(head: bytes, encoding: str) -> LineVote | None:
    """The vote of some lines, None for an encoding that must be read as a whole."""
    if not _is_read_by_lines(encoding):
        return None
    vote = LineVote(encoding)
    vote.update(head)
    vote.finish()
    return vote


def decodes_strictly(encoding: str) -> bool:
    """Whether a byte that does not decode spoils all that follows, and not only its line."""
    return not _is_read_by_lines(encoding)


def _vote(blocks: Iterable[bytes], encoding: str) -> None:
    vote = LineVote(encoding)
    has_nul = False
    for block in blocks:
        has_nul = has_nul or b"\0" in block
        vote.update(block)
    vote.finish()
    if vote.is_lost:
        raise wrong_encoding(encoding, vote.first_odd)
    if has_nul:
        raise _not_csv("it has NUL characters")


def _decode_all(blocks: Iterable[bytes], encoding: str) -> None:
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


def _is_read_by_lines(encoding: str) -> bool:
    if encoding in _WIDE or encoding.startswith(_STATEFUL):
        return False
    return _ASCII.decode(encoding, "replace") == _ASCII.decode("ascii")


def _codec_name(given: str) -> str | None:
    if not given:
        return None
    codec = codec_of(given)
    if codec is None:
        raise FileProblem(
            FileCode.UNKNOWN_ENCODING,
            "The given encoding is not known here: use a name such as utf-8, utf-16, cp1252, mac-roman or shift_jis, "
            "or guess.",
        )
    return codec


def _if_it_decodes(check: ByteCheck, codec: str, given: str | None) -> FileEncoding:
    if not check.decodes:
        raise wrong_encoding("UTF-16, as its byte order mark says" if is_guess(given) else str(given))
    return FileEncoding(codec, guessed=False)


def _utf8_codec(check: ByteCheck) -> str:
    return "utf-8-sig" if check.has_utf8_mark else "utf-8"


def _refuse_binary(check: ByteCheck, *, zero_bytes_are_text: bool) -> None:
    head = check.head
    if zero_bytes_are_text:
        return
    if check.has_nul:
        raise _not_csv("it has NUL characters")
    printable = head.translate(None, _CONTROL_BYTES)
    if not check.is_utf16 and len(head) - len(printable) > len(head) * _MOST_CONTROL_BYTES:
        raise _not_csv("it is full of control characters")


def wrong_encoding(encoding: str, first: OddByte | None = None) -> FileProblem:
    where = f": line {first.line_number} is the first that does not (byte {first.offset} of the file)" if first else ""
    return FileProblem(
        FileCode.WRONG_ENCODING,
        f"The file does not decode as {encoding}{where}. Name the encoding that it was saved in, or save it as UTF-8.",
    )


def _not_csv(reason: str) -> FileProblem:
    return FileProblem(
        FileCode.NOT_CSV,
        f"The file is no CSV: {reason}. Export it as CSV (text, UTF-8), and if it is UTF-16 or UTF-32 without a byte "
        "order mark, give the encoding.",
    )
