"""An employee's earlier versions: all that uploads replaced and that is kept, the latest first."""

from __future__ import annotations

import asyncpg
import httpx2

from tests.integration.api_service.employees.test_of_upload import sequence_of
from tests.support.employees import Person, insert_employees
from tests.support.uploads import insert_upload

REPLACE = """
    UPDATE employees
    SET employee_name = $2, company_name = $3, upload_sequence = $4, row_number = $5, left_at = $6, updated_at = now()
    WHERE id = $1
"""


async def test_each_version_says_its_values_and_where_it_came_from(
    api: httpx2.AsyncClient, database: asyncpg.Connection
) -> None:
    uploads = [await insert_upload(database) for _ in range(3)]
    first, second, third = [await sequence_of(database, each) for each in uploads]
    await insert_employees(database, [Person("Ada", "ada@firm.example", upload_sequence=first)])
    employee_id = await database.fetchval("SELECT id FROM employees")
    assert (await api.get(f"/v1/employees/{employee_id}/history")).json() == {"rowNumber": 1, "data": []}
    assert "employees.csv</a>, row 1, sent" in (await api.get(f"/employees/{employee_id}")).text

    await database.execute(REPLACE, employee_id, "Ada <b>", None, second, 17, None)
    # As the leaver 3 of the third upload, and then back in a fourth, which is deleted by now.
    left_at = await database.fetchval("SELECT now()")
    await database.execute(REPLACE, employee_id, "Ada <b>", None, third, -3, left_at)
    await database.execute(REPLACE, employee_id, "Ada Back", "Fjord", third + 1000, 1, None)
    await database.execute("DELETE FROM uploads WHERE id = $1", uploads[0])

    versions = (await api.get(f"/v1/employees/{employee_id}/history")).json()["data"]
    assert [(each["employee_name"], each["company_name"], each["rowNumber"]) for each in versions] == [
        ("Ada <b>", None, None),
        ("Ada <b>", None, 17),
        ("Ada", "Initech", 1),
    ]
    assert [each["uploadId"] for each in versions] == [str(uploads[2]), str(uploads[1]), None]
    assert [each["leftAt"] is not None for each in versions] == [True, False, False]
    page = (await api.get(f"/employees/{employee_id}")).text
    assert page.count("Ada &lt;b&gt;") == 2
    assert f'href="/uploads/{uploads[1]}"' in page
    assert "had left" in page

    # What retention has emptied is told no more, but what it stands between is.
    await database.execute("UPDATE replaced_employees SET employee = NULL WHERE upload_sequence = $1", third)
    versions = (await api.get(f"/v1/employees/{employee_id}/history")).json()["data"]
    assert [each["rowNumber"] for each in versions] == [None, 1]
    await database.execute("DELETE FROM employees")
    gone = await api.get(f"/v1/employees/{employee_id}/history")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_employee")
