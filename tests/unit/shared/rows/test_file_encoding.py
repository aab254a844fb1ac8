"""Which encoding a file is taken to be in: by its mark, by what is given, by vote, by a plain guess, or by asking."""

from __future__ import annotations

import codecs
from typing import Any

import pytest

from shared.errors import FileCode, FileProblem
from shared.rows.employee_row import check_row
from shared.rows.encoding_names import codec_of
from shared.rows.format_judge import FormatOptions, decode_check, needs_decode_check
from tests.support.csv_files import check_bytes, judge, read

HEADER = "name,company,phone,email\n"
GERMAN = ["Jürgen Weiß,Müller GmbH", "Käthe Groß,Bäckerei Söhne"]
CZECH = ["Jiří Dvořák,Škoda služby", "Zdeněk Růžička,Pražské lahůdky", "Věra Němcová,Zelený dvůr"]
FRENCH = ["François Müller,Café Été", "Zoé Hébert,Crêperie", "Seán Ó Néill,Éire Teo"]
CHINESE = ["王小明,蓝天公司", "李娜,示例公司"]
RUSSIAN = ["Иван Петров,Ромашка", "Анна Кузнецова,Василёк"]


def content(people: list[str], encoding: str) -> bytes:
    rows = "".join(f"{person},+4930555010{number},p{number}@b.example\n" for number, person in enumerate(people))
    return (HEADER + rows).encode(encoding)


def problem(file: bytes, encoding: str | None = None) -> FileProblem:
    options = FormatOptions(encoding=encoding)
    try:
        judged = judge(file, options)
        assert needs_decode_check(check_bytes(file), options)
        decode_check([file], judged.encoding)
    except FileProblem as caught:
        return caught
    pytest.fail(f"taken as {judged.encoding}")


def outcomes(file: bytes, encoding: str | None = None) -> list[str]:
    """A row's name, or why it is refused."""
    options = FormatOptions(encoding=encoding)
    layout = judge(file, options).layout
    checked = [check_row(record.cells, layout) for record in read(file, options)]
    return [str(each[0].code) if isinstance(each, list) else each[0] for each in checked]


def test_one_odd_byte_makes_its_row_unreadable_and_not_the_file() -> None:
    file = content(FRENCH, "utf-8") + "Jörg,Müller,+49305550199,j@b.example\n".encode("cp1252")
    assert (judge(file).encoding, judge(file).encoding_guessed) == ("utf-8", False)
    assert outcomes(file) == ["François Müller", "Zoé Hébert", "Seán Ó Néill", "unreadable_character"]


def test_an_odd_byte_is_named_by_its_field_and_shown() -> None:
    file = content(FRENCH, "utf-8") + "Jorg,Müller,+49305550199,j@b.example\n".encode("cp1252")
    record = read(file)[-1]
    faults = check_row(record.cells, judge(file).layout)
    assert isinstance(faults, list)
    (fault,) = faults
    assert (record.line_number, fault.field, record.cells[1]) == (5, "company_name", "M\ufffdller")


def test_an_odd_byte_in_a_column_that_no_field_uses_refuses_nothing() -> None:
    file = b"name,company,phone,email,notes\n" + "Renée,Café,+33155500401,r@b.example,ok\n".encode()
    assert outcomes(file + b"Ann,Acme,+33155500402,a@b.example,pays in \x80\n") == ["Renée", "Ann"]


def test_as_many_odd_lines_as_others_leave_it_utf8_and_one_more_does_not() -> None:
    even = content(FRENCH[:2], "utf-8") + content(GERMAN, "cp1252").partition(b"\n")[2]
    assert judge(even).encoding == "utf-8"
    assert outcomes(even)[2:] == ["unreadable_character"] * 2
    assert judge(even + "Björn,Åkeri,+46855502020,b@b.example\n".encode("cp1252")).encoding == "cp1252"


@pytest.mark.parametrize(
    "people", [GERMAN, ["Søren Kjær,Rødgrød ApS", "Åse Bjørnsen,Smørrebrød"], ["João Conceição,Irmãos Lda"]]
)
def test_plain_cp1252_is_taken_and_said_to_be_a_guess(people: list[str]) -> None:
    judged = judge(content(people, "cp1252"))
    assert (judged.encoding, judged.encoding_guessed) == ("cp1252", True)
    assert outcomes(content(people, "cp1252")) == [person.split(",")[0] for person in people]


@pytest.mark.parametrize(
    ("people", "encoding"),
    [
        (CZECH, "cp1250"),
        (CZECH[:1], "cp1250"),
        (["Łukasz Żak,Gęś sp. z o.o."], "cp1250"),
        (["Szabó Győző,Kovács és Társa"], "cp1250"),
        (CZECH, "iso8859-2"),
        (FRENCH, "mac-roman"),
        (GERMAN, "cp850"),
        (CHINESE, "gb18030"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (["山田太郎,会社", "鈴木花子,株式会社"], "cp932"),
        (["김민수,회사", "박지영,주식회사"], "cp949"),
        (["Ayşe Yılmaz,Güneş Ltd"], "cp1254"),
        (["Μαρία Παππά,Αθήνα ΑΕ"], "cp1253"),
    ],
)
def test_another_encoding_is_asked_for_with_the_files_own_names_as_they_would_read(
    people: list[str], encoding: str
) -> None:
    file = content(people, encoding)
    unclear = problem(file)
    candidates: list[dict[str, Any]] = unclear.more["candidates"]
    names = [person.split(",")[0] for person in people]
    right = [each for each in candidates if set(names) <= set(each["samples"])]
    assert unclear.code is FileCode.ENCODING_UNCLEAR
    assert 2 <= len(candidates) <= 5
    assert right
    assert outcomes(file, right[0]["encoding"]) == names
    assert not any(name in unclear.detail for name in names)


def test_names_are_shown_however_the_columns_stand_and_other_cells_where_names_are_ascii() -> None:
    file = "phone;email;company;full name\n+420255500101;a@b.example;Škoda služby;Ann Dvořák\n".encode("cp1250")
    first = problem(file).more["candidates"][0]
    assert first == {"encoding": "cp1250", "samples": ["Ann Dvořák", "Škoda služby"]}


def test_guess_takes_the_best_and_says_so() -> None:
    file = content(FRENCH, "mac-roman")
    judged = judge(file, FormatOptions(encoding="guess"))
    assert (judged.encoding, judged.encoding_guessed) == ("mac-roman", True)
    assert outcomes(file, "guess") == [person.split(",")[0] for person in FRENCH]
    assert judge(content(FRENCH, "utf-8"), FormatOptions(encoding="guess")).encoding_guessed is False


def test_a_byte_order_mark_binds_whatever_is_given() -> None:
    file = codecs.BOM_UTF8 + content(FRENCH, "utf-8")
    assert [judge(file, FormatOptions(encoding=given)).encoding for given in (None, "guess", "cp1252", "utf-8")] == [
        "utf-8-sig"
    ] * 4


def test_after_a_byte_order_mark_one_odd_row_is_refused_alone_and_many_refuse_the_file() -> None:
    one = codecs.BOM_UTF8 + content(["Renée,Acme"], "cp1252")
    assert outcomes(one) == ["unreadable_character"]
    wrong = problem(codecs.BOM_UTF8 + content(GERMAN, "cp1252"))
    assert wrong.code is FileCode.WRONG_ENCODING
    assert "line 2 " in wrong.detail
    assert "byte 29 " in wrong.detail


@pytest.mark.parametrize("given", ["utf-8", "ascii", "shift_jis", "cp1253"])
def test_a_given_encoding_that_most_lines_are_not_in_is_refused_with_the_first_of_them(given: str) -> None:
    people = ["Ann,Acme", "Jürgen \x81,Müller", "Käthe \x81\xd2,Söhne"]
    wrong = problem(content(people, "latin-1"), given)
    assert wrong.code is FileCode.WRONG_ENCODING
    assert "line 3 " in wrong.detail


def test_a_given_encoding_that_most_lines_are_in_refuses_the_others_alone() -> None:
    file = content(["山田太郎,会社", "鈴木花子,株式会社"], "cp932") + b"\x81\x20,Acme,+49305550199,a@b.example\n"
    decode_check([file], judge(file, FormatOptions(encoding="shift_jis")).encoding)
    assert outcomes(file, "shift_jis") == ["山田太郎", "鈴木花子", "unreadable_character"]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("ANSI", "cp1252"),
        ("Windows-1252", "cp1252"),
        ("win1252", "cp1252"),
        ("1252", "cp1252"),
        ("x-mac-roman", "mac-roman"),
        ("macintosh", "mac-roman"),
        ("Mac OS Roman", "mac-roman"),
        ("x-mac-ce", "mac-latin2"),
        ("windows-31j", "cp932"),
        ("x-sjis", "shift_jis"),
        ("GB2312", "gb18030"),
        ("x-gbk", "gb18030"),
        ("ks_c_5601-1987", "cp949"),
        ("UTF-8 with BOM", "utf-8"),
        ("cp65001", "utf-8"),
        ("unicode", "utf-16"),
        ("28592", "iso8859-2"),
        ("IBM852", "cp852"),
        ("DOS-850", "cp850"),
        ("ISO 8859-1", "iso8859-1"),
    ],
)
def test_the_names_that_programs_write_are_known(name: str, codec: str) -> None:
    assert codec_of(name) == codec
