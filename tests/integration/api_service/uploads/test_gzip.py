"""A file that is packed with gzip is read as what is in it."""

from __future__ import annotations

import gzip
import tarfile
from io import BytesIO

import asyncpg
import httpx2
import pytest

from tests.integration.api_service.uploads.conftest import Process
from tests.support.uploads import HEADER, SMALL_CSV, send, stored_files
from tests.support.workbooks import xlsx

TWO = HEADER + "Zoë Lund;Ålesund AS;+47 22 55 01 01;zoe@fjord.example\n".replace(";", ",").encode()


async def test_packed_file_is_brought_in_and_given_back_as_it_was_sent(
    process: Process, api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    packed = gzip.compress(SMALL_CSV) + gzip.compress(b"Bo,Acme,abc,bo@example.com\n")
    upload = await process(packed, filename="staff.csv.gz")
    assert (upload["inserted"], upload["rejected"], upload["progress"]) == (1, 1, 1.0)
    assert (upload["convertedFrom"], upload["sheet"], upload["bytes"]) == ("gzip", None, len(packed))
    (reject,) = (await api.get(f"/v1/uploads/{upload['id']}/rejects")).json()["data"]
    assert (reject["rowNumber"], reject["lineNumber"]) == (2, 3)
    file = await api.get(f"/v1/uploads/{upload['id']}/file")
    assert (file.content, file.headers["Content-Type"]) == (packed, "application/gzip")
    assert await database.fetchval("SELECT email FROM employees") == "asha@example.com"


async def test_what_is_inside_is_judged_as_ever(api: httpx2.AsyncClient) -> None:
    semicolons = TWO.decode().replace(",", ";").encode("cp1252")
    taken = await send(api, gzip.compress(semicolons), encoding="cp1252", delimiter=";")
    assert (taken.status_code, taken.json()["encoding"], taken.json()["delimiter"]) == (202, "cp1252", ";")
    marked = await send(api, gzip.compress(TWO.decode().encode("utf-16")))
    assert (marked.status_code, marked.json()["encoding"]) == (202, "utf-16")
    workbook = xlsx(("Staff", [["employee_name", "company_name", "mobile_no", "email"]]))
    inside = await send(api, gzip.compress(workbook), sheet="Staff")
    assert (inside.status_code, inside.json()["convertedFrom"]) == (202, "xlsx")


def tarred() -> bytes:
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        info = tarfile.TarInfo("staff.csv")
        info.size = len(SMALL_CSV)
        archive.addfile(info, BytesIO(SMALL_CSV))
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (gzip.compress(b""), "empty_file", "empty"),
        (gzip.compress(SMALL_CSV)[:-4], "damaged_file", "cut off"),
        (gzip.compress(SMALL_CSV) + b"more", "damaged_file", "Behind the end"),
        (gzip.compress(gzip.compress(SMALL_CSV)), "not_csv", "compressed twice"),
        (tarred(), "not_csv", "a tar archive"),
        (gzip.compress(b"%PDF-1.4"), "not_csv", "a PDF document"),
        (gzip.compress(bytes(64 << 20)), "too_large_unpacked", "more than"),
        (gzip.compress(HEADER + SMALL_CSV[len(HEADER) :] * 30_000), "too_large_unpacked", "more than"),
        (gzip.compress(b"name,company\nA,B\n"), "missing_columns", "mobile_no"),
    ],
)
async def test_packed_file_that_cannot_be_read_is_refused_and_nothing_is_kept(
    api: httpx2.AsyncClient, upload_store_url: str, content: bytes, code: str, said: str
) -> None:
    answer = await send(api, content)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert said in answer.json()["detail"]
    assert stored_files(upload_store_url) == []


async def test_same_key_with_the_same_packed_file_is_the_same_upload(api: httpx2.AsyncClient) -> None:
    packed = gzip.compress(SMALL_CSV, mtime=1)
    first = await send(api, packed, key="payroll")
    again = await send(api, packed, key="payroll")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    # The key stands for what was sent, byte for byte.
    other = await send(api, gzip.compress(SMALL_CSV, mtime=2), key="payroll")
    assert other.json()["code"] == "idempotency_key_reused"
