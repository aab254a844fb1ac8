"""From a file to chunks: the borders depend on the file and the chunk size alone, so that every reading has them."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer_service.uploads.chunk_reader import CHUNK_CHARACTERS, CHUNK_WEIGHT, ChunkReader, FileChunk
from producer_service.uploads.upload_state import Upload
from shared.errors import FileCode, FileProblem
from shared.messages import ChunkRequest, decode_request
from shared.rows.csv_format import CsvFormat
from tests.support.csv_files import DribblingStream, judge

HEADER = b"employee_name,company_name,mobile_no,email\n"
FORMAT: CsvFormat = judge(HEADER)
UPLOAD_ID = uuid.uuid4()


def upload(content: bytes, *, chunk_rows: int = 2, csv_format: CsvFormat = FORMAT) -> Upload:
    sha256 = hashlib.sha256(content).hexdigest()
    return Upload(UPLOAD_ID, "running", "skip", "key", len(content), sha256, chunk_rows, None, csv_format)


def lines(count: int) -> bytes:
    return HEADER + b"".join(
        b"Asha Rao,Initech,9876543210,p%d@example.com\n" % number for number in range(1, count + 1)
    )


def read_all(reader: ChunkReader) -> Iterator[FileChunk]:
    while (chunk := reader.next_chunk()) is not None:
        yield chunk


def requests(content: bytes, *, chunk_rows: int = 2, csv_format: CsvFormat = FORMAT) -> list[ChunkRequest]:
    reader = ChunkReader(io.BytesIO(content), upload(content, chunk_rows=chunk_rows, csv_format=csv_format))
    return [_request(chunk) for chunk in read_all(reader)]


def _request(chunk: FileChunk) -> ChunkRequest:
    request = decode_request(chunk.body)
    assert isinstance(request, ChunkRequest)
    assert (request.first_row, len(request.rows)) == (chunk.first_row, chunk.row_count)
    return request


def test_rows_of_empty_cells_are_in_no_chunk_and_counted_however_the_rows_are_passed_over() -> None:
    content = HEADER + b",,,\na,b,1,x@example.com\n,,,\n" * 3 + b'"","",\n'
    for passed_over in range(4):
        reader = ChunkReader(io.BytesIO(content), upload(content))
        reader.pass_over(passed_over, 0)
        rows = [row for chunk in read_all(reader) for row in _request(chunk).rows]
        assert len(rows) == 3 - passed_over
        assert all(row[0] == "a" for row in rows)
        assert (reader.rows_read, reader.blank_rows) == (3, 7)


def test_rows_are_cut_into_chunks_with_their_numbers_lines_and_layout() -> None:
    content = HEADER + b'a,b,1,x@example.com\n\n"c\nc",d,2,y@example.com\ntoo,few\n'

    first, second = requests(content)

    assert (first.upload_id, first.first_row, first.line_numbers) == (UPLOAD_ID, 1, [2, 4])
    assert first.rows == [["a", "b", "1", "x@example.com"], ["c\nc", "d", "2", "y@example.com"]]
    assert (second.first_row, second.line_numbers, second.rows) == (3, [6], [["too", "few"]])
    assert first.layout == FORMAT.layout


@given(rows=st.integers(0, 12), chunk_rows=st.integers(1, 5), sizes=st.lists(st.integers(1, 80), min_size=1))
def test_borders_and_byte_counts_are_the_same_in_every_reading(rows: int, chunk_rows: int, sizes: list[int]) -> None:
    content = lines(rows)
    whole = ChunkReader(io.BytesIO(content), upload(content, chunk_rows=chunk_rows))
    dribbled = ChunkReader(DribblingStream(content, tuple(sizes)), upload(content, chunk_rows=chunk_rows))

    chunks, again = list(read_all(whole)), list(read_all(dribbled))

    assert [(each.first_row, each.row_count) for each in chunks] == [(each.first_row, each.row_count) for each in again]
    assert [each.first_row for each in chunks] == list(range(1, rows + 1, chunk_rows))
    assert whole.rows_read == sum(each.row_count for each in chunks) == rows


def test_byte_counts_add_up_to_the_file_when_it_ends_with_a_row() -> None:
    content = lines(7)

    assert sum(each.byte_count for each in requests(content)) == len(content)


def test_header_alone_gives_no_chunk() -> None:
    assert requests(HEADER) == []


def test_under_version_1_a_chunk_holds_a_mebi_of_characters_at_most() -> None:
    wide = b"A" * 200_000
    content = HEADER + b"".join(wide + b",b,1,p%d@example.com\n" % number for number in range(12))

    chunks = requests(content, chunk_rows=2000, csv_format=dataclasses.replace(FORMAT, reader_version=1))

    sizes = [sum(len(cell) for row in chunk.rows for cell in row) for chunk in chunks]
    assert [len(chunk.rows) for chunk in chunks] == [5, 5, 2]
    assert max(sizes) <= CHUNK_CHARACTERS
    assert [chunk.first_row for chunk in chunks] == [1, 6, 11]


@pytest.mark.parametrize(
    "row",
    [
        b"a" + b"," * 29_999,
        b"x" * 20_000 + b",b,1,x@example.com",
        "\U0001f600,".encode() * 5000,
        b'"\x01"' + b"\x01" * 9000,
    ],
    ids=["empty cells", "text", "emoji", "escaped"],
)
def test_chunk_weighs_what_it_should_and_one_row_more_at_most(row: bytes) -> None:
    """Whatever the rows are made of: columns without a character, characters of several bytes or of long escapes."""
    content = HEADER + (row + b"\n") * 400

    chunks = [*read_all(ChunkReader(io.BytesIO(content), upload(content, chunk_rows=8000)))]

    assert sum(chunk.row_count for chunk in chunks) == 400
    heaviest_row = max(len(chunk.body) // chunk.row_count for chunk in chunks) + 32 * 30_001
    assert max(len(chunk.body) for chunk in chunks) <= CHUNK_WEIGHT + heaviest_row
    assert max(chunk.row_count for chunk in chunks) * row.count(b",") * 32 <= CHUNK_WEIGHT + heaviest_row


def test_row_that_is_too_long_travels_as_its_beginning_with_its_fault() -> None:
    content = HEADER + b"a,b,1,x@example.com\n" + b"B" * 300_000 + b",b,1,y@example.com\nc,d,2,z@example.com\n"

    (chunk,) = requests(content, chunk_rows=10)

    assert chunk.faults == {1: "row_too_long"}
    assert len(chunk.rows[1][0]) < 10_000
    assert chunk.rows[2] == ["c", "d", "2", "z@example.com"]


@pytest.mark.parametrize(
    "changed", [lines(5)[:-1] + b"X", lines(6), lines(4), HEADER, b""], ids=["byte", "longer", "shorter", "rows", "all"]
)
def test_file_that_is_not_what_was_uploaded_is_noticed_at_its_end(changed: bytes) -> None:
    reader = ChunkReader(io.BytesIO(changed), upload(lines(5)))

    with pytest.raises(FileProblem) as raised:
        list(read_all(reader))

    assert raised.value.code is FileCode.FILE_CHANGED


def test_broken_quotes_travel_with_what_is_wrong_with_them() -> None:
    content = HEADER + b'a,b,1,x@example.com\n"a" a,b,1,y@example.com\na,b,1,z@example.com\n'

    (chunk,) = requests(content, chunk_rows=10)

    assert chunk.faults == {1: "malformed_quotes"}
    assert "line 3" in chunk.fault_messages[1]
    assert chunk.rows[1] == ['"a" a', "b", "1", "y@example.com"]


def test_under_version_1_an_unclosed_quote_ends_the_file_after_a_last_chunk_with_the_rows_before_it() -> None:
    content = lines(3) + b'Bo,"Initech,9876543210,bo@example.com\nCy,Initech,9876543210,cy@example.com\n'
    reader = ChunkReader(io.BytesIO(content), upload(content, csv_format=dataclasses.replace(FORMAT, reader_version=1)))
    chunks: list[FileChunk] = []

    with pytest.raises(FileProblem) as raised:
        chunks.extend(read_all(reader))

    # `extend` keeps what came before the error.
    assert [(chunk.first_row, chunk.row_count) for chunk in chunks] == [(1, 2), (3, 1)]
    assert raised.value.code is FileCode.UNCLOSED_QUOTE
    assert "line 5" in raised.value.detail
    assert reader.rows_read == 3


def test_quote_that_a_changed_file_leaves_open_is_the_changes_doing() -> None:
    reader = ChunkReader(io.BytesIO(lines(3) + b'"'), upload(lines(5)))

    with pytest.raises(FileProblem) as raised:
        list(read_all(reader))

    assert raised.value.code is FileCode.FILE_CHANGED


@pytest.mark.fault(32)
@pytest.mark.parametrize(
    ("reader_version", "chunk_rows", "cut"),
    [
        (1, 12, [(1, 12), (13, 10), (23, 5), (28, 11), (39, 2)]),
        (2, 40, [(1, 34), (35, 6)]),
    ],
)
def test_borders_of_each_reader_version_are_those_that_uploads_under_way_began_with(
    reader_version: int, chunk_rows: int, cut: list[tuple[int, int]]
) -> None:
    """When this fails, an upgrade in mid-upload cuts other chunks: add a reader version, and leave these alone."""
    widths = [number * number % 997 * 300 for number in range(1, 41)]
    content = HEADER + b"".join(
        b"%b,Initech,9876543210,p%d@example.com\n" % (b"x" * width, number) for number, width in enumerate(widths)
    )

    csv_format = dataclasses.replace(FORMAT, reader_version=reader_version)
    chunks = requests(content, chunk_rows=chunk_rows, csv_format=csv_format)

    assert {chunk.reader_version for chunk in chunks} == {reader_version}
    assert [(chunk.first_row, len(chunk.rows)) for chunk in chunks] == cut


@pytest.mark.fault(32)
def test_rows_that_are_done_are_passed_over_and_those_after_them_are_cut_as_ever() -> None:
    content = lines(9)
    reader = ChunkReader(io.BytesIO(content), upload(content, chunk_rows=4))

    first = reader.next_chunk(at_most=2)
    assert first is not None
    assert reader.pass_over(3, 150) == 3
    rest = list(read_all(reader))

    assert [_rows_of(chunk) for chunk in (first, *rest)] == [(1, 2), (6, 4)]
    assert first.byte_count + 150 + sum(chunk.byte_count for chunk in rest) >= len(content)
    assert reader.rows_read == 9


def _rows_of(chunk: FileChunk) -> tuple[int, int]:
    return chunk.first_row, chunk.row_count
