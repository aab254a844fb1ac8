"""Workbooks as people's programs write them, in the forms that they have."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

import xlsxwriter

Cell = str | int | float | bool | None


def xlsx(*sheets: tuple[str, Sequence[Any]], hidden: Sequence[str] = ()) -> bytes:
    """Sheets of rows from the top. A cell that is callable writes itself: `(worksheet, row, column, workbook)`."""
    content = io.BytesIO()
    workbook = xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    for name, rows in sheets:
        sheet = workbook.add_worksheet(name)
        if name in hidden:
            sheet.hide()
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                if callable(cell):
                    cell(sheet, at, column, workbook)
                elif cell is not None:
                    sheet.write(at, column, cell)
    workbook.close()
    return content.getvalue()


def slow_xlsx(rows: int = 10_000) -> bytes:
    """Takes seconds to read."""
    row = "".join(f'<c t="inlineStr"><is><t>{number}</t></is></c>' for number in range(40))
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(xlsx(("Staff", [["employee_name"]])))) as source,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            text = source.read(name).decode()
            target.writestr(name, text.replace("</sheetData>", f"<row>{row}</row>" * rows + "</sheetData>"))
    return content.getvalue()


def ods(rows: Sequence[Sequence[str]], name: str = "Leute") -> bytes:
    """Rows of texts; a cell that begins with `<` is XML of its own."""
    cells = [
        [
            cell
            if cell.startswith("<")
            else f'<table:table-cell office:value-type="string"><text:p>{escape(cell)}</text:p></table:table-cell>'
            for cell in row
        ]
        for row in rows
    ]
    table = "".join(f"<table:table-row>{''.join(row)}</table:table-row>" for row in cells)
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": '<?xml version="1.0"?><manifest:manifest '
            'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
            "content.xml": '<?xml version="1.0"?><office:document-content '
            'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
            'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
            'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
            'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">'
            f'<office:body><office:spreadsheet><table:table table:name="{name}">{table}'
            "</table:table></office:spreadsheet></office:body></office:document-content>",
        }
    )


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def xls(rows: Sequence[Sequence[Cell]], name: str = "Staff") -> bytes:
    """As Excel wrote until 2003: BIFF8 in an OLE2 document."""
    bound = struct.pack("<BB", len(name), 0) + name.encode("latin-1")
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 0))
    # The place of the sheet is known by the length of what stands before it.
    place = len(start) + 4 + 6 + len(bound) + 4
    book = start + _record(0x0085, struct.pack("<IBB", place, 0, 0) + bound) + _record(0x000A, b"")
    book += _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x10, 0, 0, 0, 0))
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            place_of_cell = struct.pack("<HHH", at, column, 0)
            if isinstance(cell, str):
                text = cell.encode("utf-16-le")
                book += _record(0x0204, place_of_cell + struct.pack("<HB", len(text) // 2, 1) + text)
            elif cell is not None:
                book += _record(0x0203, place_of_cell + struct.pack("<d", cell))
    return _ole2(book + _record(0x000A, b""))


def _record(number: int, content: bytes) -> bytes:
    return struct.pack("<HH", number, len(content)) + content


def ole2_with(stream: str) -> bytes:
    """Such a document with one stream of that name, and nothing to read in it."""
    return _ole2(b"", stream)


def _ole2(book: bytes, stream: str = "Workbook") -> bytes:
    sector, end, free = 512, 0xFFFFFFFE, 0xFFFFFFFF
    # Below 4096 bytes a stream would have to lie in a smaller stream.
    size = max(4096, len(book))
    sectors = -(-size // sector)
    table = [0xFFFFFFFD, end, *range(3, 2 + sectors), end]
    assert len(table) <= sector // 4
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, end, 0, end, 0, 0,
    )  # fmt: skip
    header = header.ljust(sector, b"\xff")
    fat = b"".join(struct.pack("<I", each) for each in table).ljust(sector, b"\xff")
    directory = _entry("Root Entry", 5, child=1, start=end, size=0) + _entry(stream, 2, child=free, start=2, size=size)
    return header + fat + directory.ljust(sector, b"\0") + book.ljust(sectors * sector, b"\0")


def _entry(name: str, kind: int, *, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    none = 0xFFFFFFFF
    return text.ljust(64, b"\0") + struct.pack(
        "<HBBIII16sI8s8sIQ", len(text), kind, 1, none, none, child, bytes(16), 0, bytes(8), bytes(8), start, size
    )
