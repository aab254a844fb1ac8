"""Small files to upload, ways to send them, and uploads as rows of the table."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import httpx2

from shared.rows.fields import FIELD_NAMES
from shared.store_identity import IDENTITY_KEY

UPLOAD = "/v1/employee-data-upload"
HEADER = b"employee_name,company_name,mobile_no,email\n"
SMALL_CSV = HEADER + b"Asha Rao,Initech,+91 98765 43210,asha@example.com\n"

Json = dict[str, Any]


async def send(
    client: httpx2.AsyncClient,
    content: bytes = SMALL_CSV,
    *,
    filename: str = "employees.csv",
    key: str | None = None,
    **fields: str,
) -> httpx2.Response:
    """Upload a file with these form fields and, if given, an Idempotency-Key."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post(UPLOAD, files={"employee_data": (filename, content)}, data=fields, headers=headers)


def stored_files(upload_store_url: str) -> list[Path]:
    """Everything in a store that is a folder, unfinished files too; but not its id."""
    folder = Path(unquote(urlsplit(upload_store_url).path))
    return [path for path in folder.rglob("*") if path.is_file() and path.name != IDENTITY_KEY]


async def insert_upload(database: asyncpg.Connection, **columns: Any) -> uuid.UUID:
    """An upload that is in no store."""
    upload_id = uuid.uuid4()
    values = {
        "id": upload_id,
        "on_duplicate": "skip",
        "filename": "employees.csv",
        "object_key": str(uuid.uuid4()),
        "byte_count": len(SMALL_CSV),
        "sha256": "0" * 64,
        "encoding": "utf-8",
        "encoding_guessed": False,
        "delimiter": ",",
        "has_header": True,
        "columns": list(FIELD_NAMES),
        "field_columns": json.dumps({name: [at] for at, name in enumerate(FIELD_NAMES)}),
        "chunk_rows": 2000,
        **columns,
    }
    names = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await database.execute(f"INSERT INTO uploads ({names}) VALUES ({places})", *values.values())
    return upload_id


async def insert_rejects(
    database: asyncpg.Connection, upload_id: uuid.UUID, rows: Sequence[tuple[int, Sequence[str]]]
) -> None:
    """Rejected rows by row number, each on the line after it."""
    await database.executemany(
        "INSERT INTO rejected_rows (upload_id, row_number, line_number, code, field, message, cells, dead_at)"
        " VALUES ($1, $2, $3, 'invalid_email', 'email', 'email must look like name@example.com.', $4, now())",
        [(upload_id, number, number + 1, json.dumps(list(cells))) for number, cells in rows],
    )


async def count_locks(database: asyncpg.Connection, condition: str) -> int:
    """Locks in this test's database alone: the server is shared with others."""
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    count: int = await database.fetchval(f"SELECT count(*) FROM pg_locks WHERE {here} AND {condition}")
    return count
