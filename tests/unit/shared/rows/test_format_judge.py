"""How a file is judged: its encoding, delimiter and header, and each way of refusing it."""

from __future__ import annotations

import codecs
from dataclasses import replace

import pytest

from shared.errors import FileCode, FileProblem
from shared.rows.byte_check import HEAD_BYTES
from shared.rows.column_options import MOST_COLUMNS
from shared.rows.csv_format import CsvFormat
from shared.rows.fields import FIELD_NAMES, REQUIRED_NAMES
from shared.rows.format_judge import FormatOptions, decode_check, judge_format, needs_decode_check
from shared.rows.header_search import HEADER_BYTES
from shared.rows.layout import layout_of_names
from tests.support.csv_files import check_bytes, judge, read

HEADER = "employee_name,company_name,mobile_no,email\n"
ADA = "Ada Lovelace,Engines,1234567890,ada@b.example\n"
TEXT = HEADER + ADA
REQUIRED_LAYOUT = layout_of_names(REQUIRED_NAMES)


def refusal(content: bytes, options: FormatOptions | None = None) -> FileCode:
    with pytest.raises(FileProblem) as caught:
        judge(content, options)
    assert caught.value.detail
    return caught.value.code


def test_a_plain_file_is_utf8_with_commas_and_a_header() -> None:
    expected = CsvFormat(
        "utf-8", False, ",", True, REQUIRED_NAMES, REQUIRED_LAYOUT, reader_version=2, first_row_line=2, header_line=1
    )
    assert replace(judge(TEXT.encode()), sources={}) == expected


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\xef\xbb\xbf\n"])
def test_a_file_without_a_visible_character_is_empty(content: bytes) -> None:
    assert refusal(content) == FileCode.EMPTY_FILE


def test_a_header_alone_is_a_file_of_no_rows() -> None:
    assert judge(HEADER.strip().encode()).has_header
    assert read(HEADER.strip().encode()) == []


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16")],
)
def test_unicode_with_or_without_its_mark_is_recognised(encoding: str, codec: str) -> None:
    content = TEXT.replace("Ada", "Zoë 🦉").encode(encoding)
    judged = judge(content)
    assert (judged.encoding, judged.encoding_guessed, judged.columns) == (codec, False, REQUIRED_NAMES)
    assert read(content)[0].cells[0] == "Zoë 🦉 Lovelace"


def test_big_endian_utf16_is_recognised_by_its_mark() -> None:
    content = codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be")
    assert judge(content).encoding == "utf-16"
    assert read(content)[0].cells[0] == "Ada Lovelace"


def test_a_mark_before_a_quoted_cell_does_not_break_it() -> None:
    content = TEXT.replace("employee_name", '"employee_name"').encode("utf-8-sig")
    assert judge(content).columns == REQUIRED_NAMES


def test_what_is_not_utf8_is_taken_for_cp1252_and_said_to_be_a_guess() -> None:
    content = TEXT.replace("Ada", "Zoë").encode("cp1252")
    judged = judge(content)
    assert (judged.encoding, judged.encoding_guessed) == ("cp1252", True)
    assert read(content)[0].cells[0] == "Zoë Lovelace"


def test_a_bad_byte_beyond_the_head_still_decides_the_encoding() -> None:
    assert judge((TEXT + ADA * 2000).encode() + b"Zo\xeb,Engines,1234567890,z@b.example\n").encoding == "cp1252"


def test_a_byte_that_cp1252_lacks_is_unreadable_in_a_file_that_is_plainly_cp1252() -> None:
    lines = "".join(f"Jürgen Weiß {number},Müller GmbH,1234567890,j{number}@b.example\n" for number in range(50))
    content = (HEADER + lines).encode("cp1252") + b"Ad\x81,Engines,1234567890,ada@b.example\n"
    assert judge(content).encoding == "cp1252"
    assert read(content)[-1].cells[0] == "Ad\ufffd"


@pytest.mark.parametrize("given", ["utf-8", "UTF8", " utf_8 ", "utf-8-sig"])
@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig"])
def test_a_given_utf8_is_read_with_or_without_its_mark(given: str, written: str) -> None:
    content = TEXT.encode(written)
    assert judge(content, FormatOptions(encoding=given)).encoding == written
    assert not needs_decode_check(check_bytes(content), FormatOptions(encoding=given))


@pytest.mark.parametrize("given", ["utf-16", "utf-16-le"])
def test_a_given_utf16_is_read_with_or_without_its_mark(given: str) -> None:
    options = FormatOptions(encoding=given)
    marked, bare = codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), TEXT.encode("utf-16-le")
    assert judge(marked, options).encoding == "utf-16"
    assert not needs_decode_check(check_bytes(marked), options)
    judged = judge(bare, options)
    assert (judged.encoding, judged.columns) == ("utf-16-le", REQUIRED_NAMES)
    assert needs_decode_check(check_bytes(bare), options)
    decode_check([bare], judged.encoding)


@pytest.mark.parametrize("given", ["shift_jis", "cp1251", "utf-32"])
def test_another_given_encoding_is_taken_and_must_be_checked(given: str) -> None:
    content = TEXT.encode(given)
    judged = judge(content, FormatOptions(encoding=given))
    assert judged.columns == REQUIRED_NAMES
    assert not judged.encoding_guessed
    assert needs_decode_check(check_bytes(content), FormatOptions(encoding=given))


@pytest.mark.parametrize(
    ("content", "given"),
    [
        ("é".encode("cp1252"), "utf-8"),
        (TEXT.encode("utf-16"), "utf-8"),
        (codecs.BOM_UTF16_LE + b"x", "utf-16"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8x\x00", None),
        ("é".encode(), "ascii"),
    ],
)
def test_an_encoding_that_does_not_decode_is_refused(content: bytes, given: str | None) -> None:
    assert refusal(content, FormatOptions(encoding=given)) == FileCode.WRONG_ENCODING


def test_an_encoding_that_fails_late_is_found_by_the_decode_check() -> None:
    content = (TEXT + ADA * 30_000).encode() + b"\x81\n"
    assert judge(content, FormatOptions(encoding="cp1252")).encoding == "cp1252"
    with pytest.raises(FileProblem) as caught:
        decode_check([content[:70_000], content[70_000:]], "cp1252")
    assert caught.value.code is FileCode.WRONG_ENCODING


def test_the_decode_check_knows_characters_cut_between_blocks() -> None:
    content = "日本語".encode("shift_jis")
    decode_check([content[i : i + 1] for i in range(len(content))], "shift_jis")
    with pytest.raises(FileProblem) as caught:
        decode_check([content[:-1]], "shift_jis")
    assert caught.value.code is FileCode.WRONG_ENCODING


def test_the_decode_check_refuses_nul_characters() -> None:
    with pytest.raises(FileProblem) as caught:
        decode_check(["a\0b".encode("utf-32-le")], "utf-32-le")
    assert caught.value.code is FileCode.NOT_CSV


@pytest.mark.parametrize("given", ["klingon", "rot13", "base64", "unicode_escape", "idna", "undefined", "a\0b", "é"])
def test_an_unknown_encoding_is_refused(given: str) -> None:
    assert refusal(TEXT.encode(), FormatOptions(encoding=given)) == FileCode.UNKNOWN_ENCODING


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode() + b"\0",
        TEXT.encode("utf-16-le"),
        (TEXT + "\0").encode("utf-16"),
        bytes(range(1, 256)) * 40,
        b" " * 2_000_000 + b"x",
    ],
    ids=["nul", "unmarked utf-16", "nul in utf-16", "control characters", "no line"],
)
def test_what_is_no_text_of_lines_is_no_csv(content: bytes) -> None:
    assert refusal(content) == FileCode.NOT_CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_under_which_all_fields_are_found(delimiter: str) -> None:
    others = "".join({",", ";", "\t", "|"} - {delimiter})
    content = f"notes{others}{delimiter}{HEADER.replace(',', delimiter)}"
    assert judge(content.encode()).delimiter == delimiter


def test_a_quoted_delimiter_in_the_header_does_not_mislead() -> None:
    assert judge(b'"a,b,c,d,e,f";name;company;phone;email\n').delimiter == ";"


@pytest.mark.parametrize(
    ("given", "meant"), [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), ("Pipe", "|"), ("comma", ",")]
)
def test_a_delimiter_may_be_given_by_name(given: str, meant: str) -> None:
    assert judge(TEXT.replace(",", meant).encode(), FormatOptions(delimiter=given)).delimiter == meant


@pytest.mark.parametrize("given", ["^", ":", "~", "¦", "§"])
def test_any_other_sensible_character_delimits_when_it_is_given(given: str) -> None:
    assert judge(TEXT.replace(",", given).encode(), FormatOptions(delimiter=given)).columns == REQUIRED_NAMES


@pytest.mark.parametrize("given", ['"', "\n", "\r", "\0", "\x01", "\u2028", "a", "7", " ", "@", "..", "commas", "'"])
def test_a_delimiter_that_would_cut_values_to_pieces_is_refused(given: str) -> None:
    assert refusal(TEXT.encode(), FormatOptions(delimiter=given)) == FileCode.INVALID_DELIMITER


def test_a_given_delimiter_is_not_second_guessed() -> None:
    assert refusal(TEXT.encode(), FormatOptions(delimiter=";")) == FileCode.MISSING_COLUMNS


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "first", [ADA.strip(), "a,b,1234567,no email", "x@b.example,a,1234567,b,more", "a,b,x@b.example"]
)
def test_a_file_that_begins_with_somebodys_data_has_no_header(delimiter: str, first: str) -> None:
    with pytest.raises(FileProblem) as caught:
        judge(first.replace(",", delimiter).encode())
    assert caught.value.code is FileCode.NO_HEADER
    assert "`header=absent`" in caught.value.detail
    assert "`columns`" in caught.value.detail


def test_any_other_first_line_is_taken_for_a_header() -> None:
    with pytest.raises(FileProblem) as caught:
        judge(b"a;b;c;no email\n")
    assert caught.value.code is FileCode.MISSING_COLUMNS
    assert "“a”" in caught.value.detail


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_header_said_to_be_absent_is_not_looked_for(delimiter: str) -> None:
    content = f"a{delimiter}b{delimiter}c{delimiter}no email\n".encode()
    judged = judge(content, FormatOptions(header="absent"))
    assert (judged.has_header, judged.delimiter, judged.layout) == (False, delimiter, REQUIRED_LAYOUT)
    assert len(read(content, FormatOptions(header="absent"))) == 1


def test_a_header_said_to_be_present_is_looked_for() -> None:
    assert refusal(ADA.encode(), FormatOptions(header="present")) == FileCode.MISSING_COLUMNS


def test_a_mapping_permutes_the_columns_of_a_file_without_a_header() -> None:
    mapping = {"employee_name": ["company_name"], "company_name": ["employee_name"]}
    found = judge(ADA.encode(), FormatOptions(header="absent", mapping=mapping)).layout.columns
    assert found == {"employee_name": (1,), "company_name": (0,), "mobile_no": (2,), "email": (3,)}


def test_a_file_said_to_have_no_header_has_the_fields_in_their_order() -> None:
    content = ",".join(FIELD_NAMES).encode()
    assert judge(content, FormatOptions(header="absent")).layout == layout_of_names(FIELD_NAMES)


def test_the_problem_reported_is_that_of_the_likeliest_delimiter() -> None:
    with pytest.raises(FileProblem) as caught:
        judge(b"name;company;phone;colour\n")
    assert [error["field"] for error in caught.value.errors] == ["email"]


def test_ambiguous_columns_and_unknown_columns_are_refused() -> None:
    assert refusal(b"name;company;phone;telephone;email\n") == FileCode.AMBIGUOUS_COLUMNS
    assert refusal(TEXT.encode(), FormatOptions(mapping={"email": ["Work"]})) == FileCode.UNKNOWN_COLUMN


def test_columns_are_given_as_written_but_trimmed() -> None:
    content = b' Full Name ,"E\nMail",company, ,phone\n'
    assert judge(content).columns == ("Full Name", "E\nMail", "company", "", "phone")


def test_blank_lines_before_the_header_are_skipped() -> None:
    assert judge(("\n  \r\n" + TEXT).encode()).columns == REQUIRED_NAMES


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_the_header(line_end: str) -> None:
    assert judge(TEXT.replace("\n", line_end).encode()).columns == REQUIRED_NAMES


@pytest.mark.parametrize(
    "content", [b'name,"company\n' + b"x\n" * 50_000, b'name,"company\n', b'"', b'"Full "Name"",company,phone,email\n']
)
def test_a_quote_left_open_in_the_header_is_refused(content: bytes) -> None:
    assert refusal(content) == FileCode.UNCLOSED_QUOTE


@pytest.mark.parametrize("missing", range(-3, 4))
@pytest.mark.parametrize("limit", [HEADER_BYTES, HEAD_BYTES])
def test_a_header_that_ends_about_a_border_is_read_or_too_long(limit: int, missing: int) -> None:
    columns = ["x" * 99] * 10_000
    columns.append("x" * (limit - len(HEADER) - 100 * len(columns) - 1 + missing))
    content = f"{','.join(columns)},{HEADER}{ADA}".encode()
    if limit == HEADER_BYTES and missing <= 0:
        assert judge(content).columns == (*columns, *REQUIRED_NAMES)
        [row] = read(content.replace(ADA.encode(), b"," * len(columns) + ADA.encode()))
        assert row.cells[-4:] == ADA.strip().split(",")
    else:
        assert refusal(content) == FileCode.HEADER_TOO_LONG


@pytest.mark.parametrize(("more", "code"), [(0, None), (1, FileCode.HEADER_TOO_LONG)])
def test_a_header_has_so_many_columns_and_no_more(more: int, code: FileCode | None) -> None:
    content = ("n," * (MOST_COLUMNS - 4 + more) + HEADER).encode()
    if code is None:
        assert len(judge(content).columns) == MOST_COLUMNS
    else:
        assert refusal(content) == code


def test_a_character_cut_at_the_border_of_the_head_is_no_error() -> None:
    content = HEADER.encode() + b"x" * (HEAD_BYTES - len(HEADER) - 1) + "é\n".encode()
    assert judge_format(check_bytes(content), FormatOptions(encoding="utf-8")).encoding == "utf-8"
