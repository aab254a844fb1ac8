"""A workbook in, CSV out: a program of its own, so that what a workbook costs, and what breaks on it, is never the API.

`workbooks` starts it with one argument, a JSON object (`Order` there), and the workbook on its standard input. It
answers on its standard output with one line of JSON, `{"sheet": …, "kind": …}` and then the CSV (UTF-8, commas, one
line for each row of the sheet from the first, whatever its cells hold), or `{"refused": code, "detail": …}`. It
imports nothing of ours but its own parts, since each module counts towards its limit of memory, and says nothing on
standard error, which nobody reads: an error's text may quote a cell.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import io
import json
import os
import re
import resource
import signal
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

import python_calamine as calamine

from api_service.uploads.unpacking.seen_texts import as_seen
from api_service.uploads.unpacking.sheet_rows import rows_of

# Exit statuses. Rust ends by SIGABRT when it gets no memory, the kernel by SIGXCPU and SIGKILL.
OUT_OF_MEMORY: Final = 3

_PR_SET_PDEATHSIG: Final = 1
_WRITE_CHARACTERS: Final = 256 * 1024
# Rows are filled up to the width that the first ones have, because the header is among them.
_ROWS_MEASURED: Final = 100
_MOST_NAMED_SHEETS: Final = 20

_ODS: Final = b"application/vnd.oasis.opendocument.spreadsheet"


class Refusal(Exception):
    """The workbook cannot be read: a code of a file, and what its sender can do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def main() -> None:
    order = json.loads(sys.argv[1])
    _limit(order["memory_bytes"], order["seconds"])
    out = sys.stdout.buffer
    try:
        try:
            _convert(order, out)
        except Refusal as refusal:
            _say(out, {"refused": refusal.code, "detail": refusal.detail})
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    except BrokenPipeError:
        # Nobody reads it any more, and nobody shall be told so on exit.
        _end(0)
    out.flush()
    _end(0)


def _limit(memory_bytes: int, seconds: int) -> None:
    """It ends with its parent, takes no more than its share, and is the first to go when the machine has no memory."""
    for what, most in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        allowed = resource.getrlimit(what)[1]
        limit = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(what, (limit, limit))
    # Linux alone has these two.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _convert(order: dict[str, Any], out: BinaryIO) -> None:
    kind, content = _kind_of(sys.stdin.buffer.read(), order["unpacked_bytes"])
    try:
        workbook = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    except calamine.PasswordError:
        raise _locked() from None
    except calamine.CalamineError:
        raise _unreadable(kind) from None
    del content
    name = _chosen_sheet(workbook, order["sheet"])
    try:
        sheet = workbook.get_sheet_by_name(name)
    except calamine.CalamineError:
        raise _damaged() from None
    if sheet.start is None or sheet.end is None:
        raise Refusal(
            "empty_file",
            f"The sheet {_quoted([name])} is empty. {_others(workbook, name)} It needs a header line, and a line for "
            "each employee.",
        )
    if sheet.end[0] >= order["rows"]:
        raise Refusal(
            "too_large_unpacked", f"The sheet has more than {order['rows']} rows: split it, or send it as CSV."
        )
    _say(out, {"sheet": name, "kind": kind})
    _write(out, rows_of(sheet, order["line_end"]))


def _say(out: BinaryIO, report: dict[str, str]) -> None:
    out.write(json.dumps(report).encode() + b"\n")


def _kind_of(content: bytes, most_unpacked: int) -> tuple[str, bytes]:
    """The kind by what the file holds, and what is to be read: with the texts that its author sees."""
    if not content.startswith(b"PK"):
        # UTF-16, as the directory of such a document has its names.
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise _locked()
        return "xls", content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            kind = _zipped_kind(archive)
            if sum(each.file_size for each in archive.infolist()) > most_unpacked:
                raise Refusal(
                    "too_large_unpacked",
                    f"Unpacked, the workbook has more than {most_unpacked} bytes. Delete the sheets and cells that are "
                    "not needed, or save the sheet as CSV.",
                )
            seen = as_seen(archive, kind)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError):
        # The last three: a method of packing or a number that it does not know, or a password.
        raise _damaged() from None
    return kind, content if seen is None else seen


def _zipped_kind(archive: zipfile.ZipFile) -> str:
    names = set(archive.namelist())
    if "xl/workbook.bin" in names:
        return "xlsb"
    if any(name.lower() == "xl/workbook.xml" for name in names) or (
        "[Content_Types].xml" in names and any(name.lower().startswith("xl/") for name in names)
    ):
        return "xlsm" if "xl/vbaProject.bin" in names else "xlsx"
    if "mimetype" in names and "content.xml" in names:
        if archive.read("mimetype").startswith(_ODS):
            return "ods"
        raise _no_table("an OpenDocument file that is no spreadsheet", "Save the table as a spreadsheet or as CSV")
    if any(name.startswith("word/") for name in names):
        raise _no_table("a Word document", "Copy the table into a spreadsheet, and save it as CSV or as .xlsx")
    if any(name.startswith("ppt/") for name in names):
        raise _no_table("a PowerPoint presentation", "Save the table as a spreadsheet or as CSV")
    if any(name.endswith((".iwa", "Index.zip")) for name in names):
        raise _no_table("an Apple Numbers (or Pages) document", "Export it from there as CSV or as Excel")
    raise _no_table("a zip archive", "Unpack it and send the file that is in it, CSV or a workbook")


def _no_table(what: str, remedy: str) -> Refusal:
    return Refusal("not_csv", f"The file is no CSV: it is {what}. {remedy}.")


def _chosen_sheet(workbook: calamine.CalamineWorkbook, wanted: str | None) -> str:
    tables = [each for each in workbook.sheets_metadata if each.typ == calamine.SheetTypeEnum.WorkSheet]
    if wanted is None:
        shown = [each.name for each in tables if each.visible == calamine.SheetVisibleEnum.Visible]
        if not shown:
            raise Refusal("empty_file", f"The workbook shows no sheet with cells. {_others(workbook, None)}")
        return shown[0]
    names = [each.name for each in tables]
    exactly = [name for name in names if name == wanted]
    alike = [name for name in names if name.strip().casefold() == wanted.strip().casefold()]
    if exactly or len(alike) == 1:
        return (exactly or alike)[0]
    if re.fullmatch(r"[1-9][0-9]{0,3}", wanted) and int(wanted) <= len(names):
        return names[int(wanted) - 1]
    raise Refusal("unknown_sheet", f"The workbook has no sheet {_quoted([wanted])}. {_others(workbook, None)}")


def _others(workbook: calamine.CalamineWorkbook, chosen: str | None) -> str:
    names = [name for name in workbook.sheet_names if name != chosen]
    if not names:
        return "It has no other sheet."
    more = len(names) - _MOST_NAMED_SHEETS
    return (
        f"Its sheets are {_quoted(names[:_MOST_NAMED_SHEETS])}{f' and {more} more' if more > 0 else ''}: say `sheet`."
    )


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"“{name[:40]}”" for name in names)


def _write(out: BinaryIO, rows: Iterator[list[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    first: list[list[str]] = []
    width = 0
    for row in rows:
        if len(first) < _ROWS_MEASURED and not width:
            first.append(row)
            continue
        if not width:
            width = max(1, *map(len, first))
            _write_rows(writer, text, first, width)
        _write_rows(writer, text, [row], width)
        if text.tell() > _WRITE_CHARACTERS:
            _flush(out, text)
    if not width:
        _write_rows(writer, text, first, max(map(len, first), default=0))
    _flush(out, text)


def _write_rows(writer: Any, text: io.StringIO, rows: Sequence[list[str]], width: int) -> None:
    for row in rows:
        if row:
            writer.writerow(row + [""] * (width - len(row)))
        else:
            text.write("\n")


def _flush(out: BinaryIO, text: io.StringIO) -> None:
    out.write(text.getvalue().encode("utf-8", "replace"))
    text.seek(0)
    text.truncate()


def _locked() -> Refusal:
    return Refusal(
        "damaged_file",
        "The workbook is protected by a password, so nobody can read it here. Save it without one, or save the sheet "
        "as CSV.",
    )


def _damaged() -> Refusal:
    return Refusal(
        "damaged_file", "The workbook is damaged and cannot be read. Open it, save it anew or as CSV, and send that."
    )


def _unreadable(kind: str) -> Refusal:
    if kind == "xls":
        return _no_table(
            "an old Office document in which there is no workbook that can be read",
            "Open it in a spreadsheet program and save it as CSV UTF-8, or as .xlsx",
        )
    return _damaged()


def _end(status: int) -> NoReturn:
    """At once: to give back what a million rows took would take as long as to read some of them."""
    os._exit(status)


if __name__ == "__main__":
    main()
