"""Files that are large only once they are unpacked: the API stays within its memory, whatever they hold."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final

import pytest
import xlsxwriter

from tests.support.services import Services
from tests.support.system import System
from tests.support.uploads import send, stored_files

pytestmark = pytest.mark.long

ROWS: Final = 200_000
MEMORY_MIB: Final = 160


def write_workbook(file: Path, rows: int) -> None:
    workbook = xlsxwriter.Workbook(file, {"constant_memory": True})
    sheet = workbook.add_worksheet("Staff")
    sheet.write_row(0, 0, ["employee_name", "company_name", "mobile_no", "email"])
    for at in range(1, rows + 1):
        sheet.write_row(at, 0, [f"Person {at}", f"Company {at % 900}", 447911000000 + at, f"p{at}@company.example"])
    workbook.close()


async def test_workbook_of_200_000_rows_is_brought_in(services: Services, system: System, tmp_path: Path) -> None:
    file = tmp_path / "staff.xlsx"
    write_workbook(file, ROWS)
    await services.start_all(consumers=2)

    upload = await system.until_finished(await system.upload(file), seconds=300)

    assert (upload["convertedFrom"], upload["inserted"], upload["rejected"]) == ("xlsx", ROWS, 0)
    assert upload["bytes"] == file.stat().st_size
    last = await system.database.fetchrow("SELECT * FROM employees ORDER BY row_number DESC LIMIT 1")
    assert last is not None
    assert (last["row_number"], last["mobile_no"], last["email"]) == (ROWS, "447911200000", f"p{ROWS}@company.example")
    peaks = {service.name: round(service.peak_memory_mib()) for service in services.all}
    assert max(peaks.values()) < MEMORY_MIB, peaks


async def test_gibibyte_of_zeros_in_a_gzip_is_refused(
    services: Services, system: System, tmp_path: Path, upload_store_url: str
) -> None:
    api = await services.start("api_service")
    file = tmp_path / "zeros.gz"
    with gzip.open(file, "wb", compresslevel=9) as packed:
        for _ in range(1024):
            packed.write(bytes(1 << 20))

    answer = await send(system.client, file.read_bytes(), filename=file.name)

    assert (answer.status_code, answer.json()["code"]) == (422, "too_large_unpacked"), answer.text
    assert api.peak_memory_mib() < MEMORY_MIB
    assert stored_files(upload_store_url) == []
