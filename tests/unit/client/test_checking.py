"""A file is judged on the spot as the service judges it, and each fault has its place in the file."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from rollcall.checking import checked_file
from shared.errors import FileCode, FileProblem
from tests.support.mixed_file import write_mixed_file
from tests.support.reference import read_top_to_bottom

FILE = (
    b"Staff list\n"
    b"email,name,company,phone\n"
    b'ada@x.example,Ada,"two\nlines",+44 20 7946 0018\n'
    b"\n"
    b"no address,Bob,X,12\n"
    b"cyd@x.example,,X,+44 20 7946 0019,surplus\n"
)


def test_every_fault_has_its_line_and_its_column() -> None:
    with checked_file(io.BytesIO(FILE)) as checked:
        found = [(each.row_number, each.line_number, each.column, each.code) for each in checked.findings()]
        counts = (checked.rows, checked.refused_rows)
    assert found == [
        (2, 6, 4, "invalid_mobile"),
        (2, 6, 1, "invalid_email"),
        (3, 7, None, "wrong_column_count"),
        (3, 7, 2, "missing_value"),
    ]
    assert counts == (3, 2)


def test_rows_that_are_refused_are_those_of_the_reference(tmp_path: Path) -> None:
    file = tmp_path / "mixed.csv"
    write_mixed_file(file, 5_000, bad_share=0.02, duplicate_share=0.05)
    with checked_file(file) as checked:
        refused = {each.row_number for each in checked.findings()}
    assert refused == {each.row_number for each in read_top_to_bottom(file).rejects}
    assert refused


@pytest.mark.parametrize("columns", [10, 1_000], ids=["short", "long"])
def test_header_is_read_however_long_it_is(columns: int) -> None:
    more = b"".join(b",%d of %s" % (number, b"many " * 60) for number in range(columns))
    rows = b"Ada,X,+44 20 7946 0018,ada@x.example\nBob,X,12,no address\n"
    with checked_file(io.BytesIO(b"name,company,phone,email" + more + b"\n" + rows)) as checked:
        assert [each.row_number for each in checked.findings()] == [2, 2]
        assert checked.rows == 2


def test_packed_file_is_unpacked(tmp_path: Path) -> None:
    packed = tmp_path / "staff.csv.gz"
    packed.write_bytes(gzip.compress(FILE))
    with checked_file(packed) as checked, checked_file(io.BytesIO(FILE)) as plain:
        assert list(checked.findings()) == list(plain.findings())


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        (b"", {}, FileCode.EMPTY_FILE),
        (b"name,company\nAda,X\n", {}, FileCode.MISSING_COLUMNS),
        (b"PK\x03\x04rest of a workbook", {}, FileCode.NOT_CSV),
        (gzip.compress(FILE)[:-9], {}, FileCode.DAMAGED_FILE),
        (FILE, {"mapping": {"mobile_no": "Cell"}}, FileCode.UNKNOWN_COLUMN),
        (FILE, {"encoding": "klingon"}, FileCode.UNKNOWN_ENCODING),
        (FILE.replace(b"Ada", b"\xc1da"), {"encoding": "utf-8"}, FileCode.WRONG_ENCODING),
    ],
    ids=lambda value: value if isinstance(value, FileCode) else "",
)
def test_file_that_the_service_would_refuse_is_refused_alike(
    content: bytes, options: dict[str, object], code: FileCode
) -> None:
    with pytest.raises(FileProblem) as refused, checked_file(io.BytesIO(content), **options):
        pass
    assert refused.value.code == code


def test_options_are_those_of_an_upload() -> None:
    content = b"Cell;Mail;Name\n+44 20 7946 0018;ada@x.example;Ada\n"
    options = {"mapping": {"mobile_no": "Cell", "email": "Mail"}, "optional": "company_name"}
    with checked_file(io.BytesIO(content), **options) as checked:
        assert list(checked.findings()) == []
        assert checked.rows == 1
