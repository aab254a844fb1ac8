"""A sample shows what the consumers will make of the first rows, under the options that are tried."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from tests.integration.api_service.uploads.conftest import Process
from tests.support.api import api_settings
from tests.support.mixed_file import write_mixed_file
from tests.support.uploads import HEADER, SMALL_CSV, send, stored_files
from tests.support.workbooks import xlsx

Json = dict[str, Any]


@pytest.fixture
def settings(database_url: str, amqp_url: str, upload_store_url: str) -> ApiSettings:
    return api_settings(database_url, amqp_url, upload_store_url, max_upload_bytes=4 * 1024 * 1024)


async def draft(api: httpx2.AsyncClient, content: bytes = SMALL_CSV, **given: str) -> Json:
    answer = await send(api, content, start="draft", **given)
    assert answer.status_code == 202, answer.text
    made: Json = answer.json()
    return made


async def sample(api: httpx2.AsyncClient, upload: Json, **tried: str | int) -> Json:
    answer = await api.get(f"/v1/uploads/{upload['id']}/sample", params=tried)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


@pytest.mark.parametrize("packed", [False, True])
async def test_sampled_rows_become_what_the_sample_says(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection, packed: bool
) -> None:
    content = (
        "Liste;;;\n"
        "Name;Firma;Handy;E-Mail;Notiz\n"
        "Zoë  Lund;Fjord AS;0047 22 55 01 01;zoe@fjord.example;a\n"
        ";;;;\n"
        'Quote;"Acme;1234567;q@example.com;b\n'
        "Bad;Acme;4.4E+20;nobody;c\n"
        "Wide;Acme;1234567;wide@example.com;d;e\n"
        "Short;Acme;1234567;short@example.com\n"
    ).encode()
    if packed:
        content = gzip.compress(content)
    made = await draft(api, content)
    assert made["problem"] is None
    found = await sample(api, made)
    assert found["problem"] is None
    assert found["columns"] == ["Name", "Firma", "Handy", "E-Mail", "Notiz"]
    assert (found["headerLine"], found["preamble"], found["delimiter"]) == (2, ["Liste;;;"], ";")
    assert found["fields"]["mobile_no"] == {"columns": ["Handy"], "why": "alias"}
    assert found["rows"][0]["cells"] == ["Zoë  Lund", "Fjord AS", "0047 22 55 01 01", "zoe@fjord.example", "a"]
    assert (await api.get(f"/v1/uploads/{made['id']}")).json() == made

    upload = await process(content)
    rejects = (await api.get(f"/v1/uploads/{upload['id']}/rejects")).json()["data"]
    expected = [{name: each[name] for name in ("rowNumber", "lineNumber", "cells", "faults")} for each in rejects]
    refused = [row for row in found["rows"] if row["faults"]]
    assert [{name: row[name] for name in expected[0]} for row in refused] == expected
    assert len(expected) == 3
    stored = await database.fetch(
        "SELECT row_number, employee_name, company_name, mobile_no, email FROM employees ORDER BY row_number"
    )
    accepted = [{"row_number": row["rowNumber"], **row["values"]} for row in found["rows"] if row["values"]]
    assert accepted == [dict(row) for row in stored]


async def test_long_mixed_file_is_sampled_as_it_is_read(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "mixed.csv"
    write_mixed_file(path, rows=3000)
    content = path.read_bytes()
    found = await sample(api, await draft(api, content), rows=100)
    upload = await process(content)
    rejects = (await api.get(f"/v1/uploads/{upload['id']}/rejects?limit=100")).json()["data"]
    assert len(found["rows"]) == 100
    refused = {row["rowNumber"]: row["faults"] for row in found["rows"] if row["faults"]}
    assert refused == {each["rowNumber"]: each["faults"] for each in rejects if each["rowNumber"] <= 100}
    assert refused


async def test_each_option_can_be_tried_and_nothing_is_changed(api: httpx2.AsyncClient, upload_store_url: str) -> None:
    made = await draft(api, b"Name|Company|Phone|Telephone|Email\nAsha|Initech|+91 1234567|+91 7654321|a@b.example\n")
    before = stored_files(upload_store_url)
    assert (await sample(api, made))["problem"]["code"] == "ambiguous_columns"
    tried = await sample(api, made, mapping='{"mobile_no": "Telephone"}')
    assert (tried["problem"], tried["rows"][0]["values"]["mobile_no"]) == (None, "+917654321")
    tried = await sample(api, made, columns="-,company_name,mobile_no,-,email", header="absent")
    assert tried["problem"]["code"] == "missing_columns"
    tried = await sample(api, made, columns="employee_name,company_name,mobile_no,-,email")
    assert [row["values"] is None for row in tried["rows"]] == [True, False]
    tried = await sample(api, made, delimiter=",")
    assert (tried["problem"]["code"], tried["rows"][0]["cells"]) == (
        "missing_columns",
        ["Name|Company|Phone|Telephone|Email"],
    )
    assert (await api.get(f"/v1/uploads/{made['id']}")).json() == made
    assert stored_files(upload_store_url) == before

    for tried_in_vain, code in (
        ({"encoding": "klingon"}, "unknown_encoding"),
        ({"mapping": "{"}, "invalid_mapping"),
        ({"headerLine": "zero"}, "invalid_request"),
        ({"sheet": "Staff"}, "invalid_request"),
        ({"rows": 0}, "invalid_request"),
        ({"rows": 101}, "invalid_request"),
        ({"start": "now"}, "invalid_request"),
    ):
        answer = await api.get(f"/v1/uploads/{made['id']}/sample", params=tried_in_vain)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_lines_of_a_file_in_doubt_are_shown_as_they_are_cut(api: httpx2.AsyncClient) -> None:
    made = await draft(api, b"sep=;\nWho;Firm;Nr;Mail\nAsha Rao;Initech;+91 98765 43210;asha@example.com\n")
    found = await sample(api, made)
    assert (found["problem"]["code"], found["delimiter"], found["columns"]) == ("missing_columns", ";", [])
    assert [(row["lineNumber"], row["cells"][0], row["values"], row["faults"]) for row in found["rows"]] == [
        (2, "Who", None, []),
        (3, "Asha Rao", None, []),
    ]


async def test_encoding_that_only_the_whole_file_shows_is_asked_for_in_a_sample_too(api: httpx2.AsyncClient) -> None:
    plain = b"".join(b"Asha Rao,Initech,1234567,asha%d@example.com\n" % at for at in range(30_000))
    made = await draft(api, HEADER + plain + "Jiří Dvořák,Škoda,1234567,j@skoda.example\n".encode("cp1250"))
    assert made["problem"]["code"] == "encoding_unclear"
    found = await sample(api, made)
    assert (found["problem"], found["rows"]) == (made["problem"], [])
    tried = await sample(api, made, encoding="cp1250", rows=3)
    assert (tried["problem"], tried["encoding"], len(tried["rows"])) == (None, "cp1250", 3)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
async def test_first_part_may_end_in_the_midst_of_a_character(api: httpx2.AsyncClient, encoding: str) -> None:
    # Longer than the part that is looked at, and of characters of several bytes at every place.
    text = HEADER.decode() + "".join(f"Żółć Łoś 😀,Ĺ,1234567,z{at}@example.com\n" for at in range(20_000))
    for shift in ("", "x"):
        made = await draft(api, (text.replace("Żółć", "Żółć" + shift, 1)).encode(encoding))
        assert made["problem"] is None
        found = await sample(api, made, rows=2)
        assert (found["problem"], found["encoding"], len(found["rows"])) == (None, made["encoding"], 2)


async def test_sample_is_bounded_whatever_the_rows(api: httpx2.AsyncClient) -> None:
    wide = b"".join(b'"%s",C,1234567,a%d@example.com\n' % (b"x" * 200_000, at) for at in range(4))
    made = await draft(api, HEADER + wide)
    answer = await api.get(f"/v1/uploads/{made['id']}/sample")
    assert 1 <= len(answer.json()["rows"]) <= 6
    assert len(answer.content) < 2 * 1024 * 1024


async def test_cells_of_a_sheet_and_of_a_returned_report_are_those_of_its_author(api: httpx2.AsyncClient) -> None:
    header = ["employee_name", "company_name", "mobile_no", "email"]
    book = await draft(api, xlsx(("Staff", [header, ["Zoë\nLund", "AS", "+47 22 55 01 01", "zoe@fjord.example"]])))
    (row,) = (await sample(api, book))["rows"]
    assert (row["cells"][0], row["values"]["employee_name"]) == ("Zoë\nLund", "Zoë Lund")

    report = (
        HEADER.strip() + b",row_number,line_number,error_code,error_field,error_message\n"
        b"Asha,Initech,1234567,asha@example.com,17,18,invalid_email,email,has no @\n"
    )
    found = await sample(api, await draft(api, report))
    assert found["columns"] == header
    assert found["rows"][0]["cells"] == ["Asha", "Initech", "1234567", "asha@example.com"]


async def test_uploads_that_are_no_drafts_can_be_sampled_too(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    upload = await process(
        "Name,Firma,Telefon,Email\nJiří,Škoda,1234567,j@s.example\n".encode("cp1250"), encoding="cp1250"
    )
    # As an upload of before options were kept.
    await database.execute("UPDATE uploads SET options = NULL")
    found = await sample(api, upload)
    assert (found["encoding"], found["rows"][0]["values"]["employee_name"]) == ("cp1250", "Jiří")
