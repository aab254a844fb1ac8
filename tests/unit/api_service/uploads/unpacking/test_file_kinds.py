"""A file that is no table is refused as what it is, and no table is taken for something else."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import tarfile

import pytest

from api_service.uploads.unpacking.file_kinds import Packing, packing_of
from shared.errors import FileCode, FileProblem
from tests.support.uploads import SMALL_CSV
from tests.support.workbooks import ole2_with, xls, xlsx, zipped


def tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo("staff.csv")
        info.size = len(SMALL_CSV)
        archive.addfile(info, io.BytesIO(SMALL_CSV))
    return content.getvalue()


HTML = "<table><tr><td>Name</td></tr></table>"
REFUSED = {
    "bzip2": [bz2.compress(SMALL_CSV)],
    "xz": [lzma.compress(SMALL_CSV)],
    "7-Zip": [b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(100)],
    "RAR": [b"Rar!\x1a\x07\x01\0"],
    "zstd": [b"\x28\xb5\x2f\xfd\x04\0"],
    "tar": [tar()],
    "PDF": [b"%PDF-1.7\n%\xe2\xe3"],
    "image": [
        b"\x89PNG\r\n\x1a\n\0", b"\xff\xd8\xff\xe0\0\x10JFIF", b"GIF89a\x01", b"BM\x36\0\x0c\0\0\0\0\0",
        b"\0\0\0\x18ftypheic",
    ],
    "Parquet": [b"PAR1\x15\x04"],
    "SQLite": [b"SQLite format 3\0\x10\0"],
    "HTML": [
        HTML.encode(), b"<!DOCTYPE html>\n" + HTML.encode(), ("\ufeff \n<HTML xmlns:x='urn'>" + HTML).encode(),
        HTML.encode("utf-16"), b"<?xml version='1.0'?>\n<!-- by us -->\n<html>", b"<meta charset=utf-8><table>",
    ],
    "Excel 2003 XML": [b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?><Workbook>'],
    "XML": [b'<?xml version="1.0"?><people><person/></people>'],
    "RTF": [rb"{\rtf1\ansi Name}"],
    "JSON": [b'{"people": []}', b'[{"name": "A"}]', b'\xef\xbb\xbf [\n ["a", "b"] ]', b'["a", "b"]', b"{}", b"[]"],
    "vCard": [b"BEGIN:VCARD\r\nVERSION:3.0\r\n", "BEGIN:VCARD\nN:Rao\n".encode("utf-16"), b"begin:vcard\nn:x\n"],
    "LDIF": [b"dn: cn=Asha Rao,ou=people\n", b"version: 1\n\n# people\ndn:: Y249\n".replace(b":: Y249", b": uid=a")],
    "SQL": [b"-- dump\nCREATE TABLE people (name text);\n", b"INSERT INTO people VALUES (1);"],
    "e-mail": [b"Return-Path: <a@b.example>\r\nReceived: from b\r\n", b"MIME-Version: 1.0\nContent-Type: text/html\n"],
    "SYLK": [b"ID;PWXL;N;E\r\nP;PGeneral\r\n"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), [(name, each) for name, contents in REFUSED.items() for each in contents])
def test_what_is_no_table_is_refused_by_name_with_what_to_do(name: str, content: bytes) -> None:
    with pytest.raises(FileProblem) as refusal:
        packing_of(content)
    assert refusal.value.code is FileCode.NOT_CSV
    assert name in refusal.value.detail
    assert refusal.value.detail.count(".") >= 2


@pytest.mark.parametrize(
    ("content", "packing"),
    [
        (gzip.compress(SMALL_CSV), Packing.GZIP),
        (xlsx(("Staff", [["Name"]])), Packing.WORKBOOK),
        (xls([["Name"]]), Packing.WORKBOOK),
        (ole2_with("EncryptedPackage"), Packing.WORKBOOK),
        (zipped({"a.csv": "x"}), Packing.WORKBOOK),
    ],
)
def test_what_can_be_unpacked_is_known_by_its_first_bytes(content: bytes, packing: Packing) -> None:
    assert packing_of(content[:64]) is packing


def test_what_is_packed_twice_is_refused() -> None:
    with pytest.raises(FileProblem, match="compressed twice"):
        packing_of(gzip.compress(b""), is_inside=True)


@pytest.mark.parametrize(
    "text",
    [
        "name,company,phone,email",
        "BM,Company,Phone,Email\nA,B,C,D",
        "PK;Name;Firma",
        "ID;Phone;Name\nP1;123;A",
        "ID;Personalnummer\n17;5",
        "[id];name;mail",
        "[Name],[Email]",
        "{name},email",
        "TABLE,of,people",
        "From: HR\nDate: today\nname,email",
        "dn,cn,mail\nx,y,z",
        "<name>,<email>",
        "table,html\n<b>x</b>,y",
        '"{""a"": 1}",b',
        "Begin,End",
        "Insert,Into",
        "-- staff --\nname,email",
        "GIF,name",
        "RIFF,name",
        "%,name",
        "",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_table_that_only_looks_like_something_else_is_read(text: str, encoding: str) -> None:
    assert packing_of(text.encode(encoding)) is None
    assert packing_of(codecs.BOM_UTF8) is None
