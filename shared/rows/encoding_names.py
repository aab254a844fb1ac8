"""The names of encodings: Python's own, and those that programs, browsers and people write."""

from __future__ import annotations

import codecs
import re
from typing import Final

# Folded as `_folded` does. What Python knows by itself is not here.
_ALIASES: Final = {
    "ansi": "cp1252",
    "western": "cp1252",
    "westerneurope": "cp1252",
    "westerneuropean": "cp1252",
    "westerneuropeanwindows": "cp1252",
    "westernwindows1252": "cp1252",
    "windowslatin1": "cp1252",
    "centraleuropean": "cp1250",
    "centraleuropeanwindows": "cp1250",
    "utf8bom": "utf-8",
    "utf8withbom": "utf-8",
    "utf8withsignature": "utf-8",
    "utf8signature": "utf-8",
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "unicodeutf8": "utf-8",
    "unicode": "utf-16",
    "ucs2": "utf-16",
    "ucs2le": "utf-16-le",
    "ucs2be": "utf-16-be",
    "unicodefffe": "utf-16-be",
    "macintosh": "mac-roman",
    "mac": "mac-roman",
    "macos": "mac-roman",
    "macosroman": "mac-roman",
    "macwestern": "mac-roman",
    "macce": "mac-latin2",
    "maccentraleurope": "mac-latin2",
    "maccentraleurroman": "mac-latin2",
    "maceastereurope": "mac-latin2",
    "windows31j": "cp932",
    "cswindows31j": "cp932",
    "ms932": "cp932",
    "mskanji": "cp932",
    "japanese": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ms936": "gb18030",
    "cp936": "gb18030",
    "chinesesimplified": "gb18030",
    "ms950": "cp950",
    "chinesetraditional": "cp950",
    "ksc56011987": "cp949",
    "korean": "cp949",
    "unifiedhangul": "cp949",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "iso88598i": "iso8859-8",
    "iso88598e": "iso8859-8",
    "iso88596i": "iso8859-6",
    "iso88596e": "iso8859-6",
    "logical": "iso8859-8",
    "latin9": "iso8859-15",
    "latin0": "iso8859-15",
    "latin10": "iso8859-16",
    "oemus": "cp437",
    "oemunitedstates": "cp437",
    "oemlatin1": "cp850",
    "oemmultilingual": "cp850",
}
# Python calls these text encodings too; no file is saved in them.
_NOT_FOR_FILES: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_not_in_names = re.compile(r"[^a-z0-9]+")
_numbered = re.compile(r"(?:windows|win|cp|codepage|dos|ibm|oem|ms|msdos)?0*([0-9]{3,5})")
_MICROSOFT_NUMBERS: Final = {
    "65001": "utf-8", "1200": "utf-16-le", "1201": "utf-16-be", "12000": "utf-32-le", "12001": "utf-32-be",
    "10000": "mac-roman", "10006": "mac-greek", "10007": "mac-cyrillic", "10029": "mac-latin2", "10081": "mac-turkish",
    "20127": "ascii", "20866": "koi8-r", "21866": "koi8-u", "51932": "euc-jp", "51949": "cp949", "54936": "gb18030",
    "20936": "gb18030", "936": "gb18030",
    **{str(28590 + part): f"iso8859-{part}" for part in (*range(1, 10), 13, 15)},
}  # fmt: skip


def codec_of(name: str) -> str | None:
    """The Python codec that is meant, None if nobody knows."""
    folded = _not_in_names.sub("", name.strip().lower())
    for spelling in (name.strip(), folded.removeprefix("x")):
        wanted = _ALIASES.get(_not_in_names.sub("", spelling.lower())) or spelling
        if (codec := _known(wanted)) is not None:
            return codec
    numbered = _numbered.fullmatch(folded.removeprefix("x"))
    if numbered is None:
        return None
    number = numbered[1]
    return _known(_MICROSOFT_NUMBERS.get(number, f"cp{number}"))


def _known(name: str) -> str | None:
    try:
        b" ".decode(name, "replace")
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return None if codec in _NOT_FOR_FILES else codec
