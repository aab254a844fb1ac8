"""Makes texts of the cells of a workbook that the library gives otherwise than their author sees them.

`#N/A` and the like come as empty cells, which would count as left out; a phone of the format `0000000000`, or `+0`,
comes without its zero or its `+`. A part of the converter: it imports nothing of ours.
"""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Final, Protocol

_READ_BYTES: Final = 1024 * 1024
# Of both forms: `</row>` and `</table:table-row>`.
_END_OF_A_ROW: Final = b"row>"

_xlsx_sheet = re.compile(r"xl/worksheets/[^/]+\.xml$", re.IGNORECASE)
_xlsx_cell = re.compile(
    # An error; or a number in a style of its own.
    rb"""(?P<error><(?:\w+:)?c\s(?=[^<>]*?\bt=["']e["'])[^<>]*>)"""
    rb"""|(?P<tag><(?:\w+:)?c\s[^<>]*?\bs=["'](?P<style>\d+)["'][^<>]*)>(?:<(?:\w+:)?f\b[^<>]*(?:/>|>[^<>]*</(?:\w+:)?f>))?"""
    rb"""(?P<open><(?:\w+:)?v>)(?P<number>\d+)(?:\.0+)?(?P<close></(?:\w+:)?v>)"""
)
_type = re.compile(rb"""\st=(["'])\w+\1""")
_format = re.compile(r'<(?:\w+:)?numFmt\s(?=[^<>]*?numFmtId="(\d+)")[^<>]*?formatCode="([^"]*)"')
_style = re.compile(r'<(?:\w+:)?xf\s[^<>]*?numFmtId="(\d+)"')
# Digits and what stands between those of a phone: no point, no comma, no percent, no letter of a date.
_plain_format = re.compile(r'(?:[0#?+ ()\-]|\\.|"[^"]*"|_.)+')
_literal = re.compile(r'\\(.)|"([^"]*)"|_.')

_ods_sheet = re.compile(r"content\.xml$")
_ods_cell = re.compile(
    rb"""(?P<error><table:table-cell\b(?=[^<>]*?value-type="error")[^<>]*>)"""
    rb"""|<table:table-cell\b[^<>]*?office:value="(?P<number>\d+)"[^<>]*><text:p>(?P<seen>[+0][\d ()./-]*)</text:p>"""
)


class _Texts(Protocol):
    sheet: re.Pattern[str]
    cell: re.Pattern[bytes]

    def may_be_in(self, rows: bytes) -> bool: ...

    def text(self, cell: re.Match[bytes]) -> bytes: ...


def as_seen(archive: zipfile.ZipFile, kind: str) -> bytes | None:
    """The workbook with those texts, None if it needs none or is of a binary form, in which they cannot be found so.

    Every sheet is read whole, which also finds one that unpacks to more than it says. Raises what zipfile does.
    """
    texts: _Texts
    if kind in ("xlsx", "xlsm"):
        texts = _XlsxTexts(archive)
    elif kind == "ods":
        texts = _OdsTexts()
    else:
        return None
    sheets = {part.filename for part in archive.infolist() if texts.sheet.match(part.filename)}
    if True not in {_differs(archive, sheet, texts) for sheet in sheets}:
        return None
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for part in archive.infolist():
            with target.open(part.filename, "w", force_zip64=True) as file:
                for piece in _blocks(archive, part.filename, by_rows=part.filename in sheets):
                    file.write(texts.cell.sub(texts.text, piece) if part.filename in sheets else piece)
    return content.getvalue()


def _differs(archive: zipfile.ZipFile, sheet: str, texts: _Texts) -> bool:
    found = False
    for rows in _blocks(archive, sheet, by_rows=True):
        if not found and texts.may_be_in(rows):
            found = any(texts.text(cell) != cell[0] for cell in texts.cell.finditer(rows))
    return found


def _blocks(archive: zipfile.ZipFile, name: str, *, by_rows: bool) -> Iterator[bytes]:
    """A part of the archive; `by_rows` in blocks that no cell is cut by."""
    rest = b""
    with archive.open(name) as file:
        while block := file.read(_READ_BYTES):
            rest += block
            end = rest.rfind(_END_OF_A_ROW) + len(_END_OF_A_ROW) if by_rows else len(rest)
            if end >= len(_END_OF_A_ROW):
                yield rest[:end]
                rest = rest[end:]
    yield rest


class _XlsxTexts:
    sheet = _xlsx_sheet
    cell = _xlsx_cell

    def __init__(self, archive: zipfile.ZipFile) -> None:
        # By the number of a style: how many digits it shows at least, and whether `+` stands before them.
        self._formats = _phone_formats(archive)

    def may_be_in(self, rows: bytes) -> bool:
        return bool(self._formats) or b'="e"' in rows or b"='e'" in rows

    def text(self, cell: re.Match[bytes]) -> bytes:
        if cell["error"]:
            return _type.sub(b' t="str"', cell["error"])
        digits, sign = self._formats.get(cell["style"], (0, b""))
        number = cell["number"].zfill(digits)
        if number == cell["number"] and not sign:
            return cell[0]
        return _type.sub(b"", cell["tag"]) + b' t="str">' + cell["open"] + sign + number + cell["close"]


def _phone_formats(archive: zipfile.ZipFile) -> dict[bytes, tuple[int, bytes]]:
    """Those that show zeros or a `+` which are not in the number."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    styles = archive.read("xl/styles.xml").decode("utf-8", "replace")
    codes = {each[1]: html.unescape(each[2]).partition(";")[0] for each in _format.finditer(styles)}
    cell_styles = re.split(r"</?(?:\w+:)?cellXfs\b", styles)
    found: dict[bytes, tuple[int, bytes]] = {}
    for number, style in enumerate(_style.finditer(cell_styles[1] if len(cell_styles) > 1 else "")):
        code = codes.get(style[1], "")
        if _plain_format.fullmatch(code):
            digits = _literal.sub("", code).count("0")
            sign = b"+" if "+" in _literal.sub(lambda each: each[1] or each[2] or "", code) else b""
            if digits > 1 or sign:
                found[str(number).encode()] = (digits, sign)
    return found


class _OdsTexts:
    sheet = _ods_sheet
    cell = _ods_cell

    def may_be_in(self, rows: bytes) -> bool:
        return b'value-type="error"' in rows or b"<text:p>0" in rows or b"<text:p>+" in rows

    def text(self, cell: re.Match[bytes]) -> bytes:
        """Beside a number stands the text that is seen; beside that of an error, that there is none."""
        if cell["error"]:
            return cell["error"].replace(b' office:string-value=""', b"")
        seen = cell["seen"]
        if seen == cell["number"] or re.sub(rb"\D", b"", seen).lstrip(b"0") != cell["number"].lstrip(b"0"):
            return cell[0]
        return b'<table:table-cell office:value-type="string"><text:p>' + seen + b"</text:p>"
