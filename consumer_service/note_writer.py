"""Writing down which rows of a preview are valid, and why the others are not; nobody's employee is touched.

Of a valid row its number and the key of its email are noted, which is all that the end needs to tell what would become
of it. Where that may be a refusal, for who is there, the cells are noted, too; and the company where it says
who is in the scope of those that may have left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from consumer_service.employee_writer import Written
from consumer_service.optional_writer import lacks_a_value
from shared.rows.employee_row import email_key, storable
from shared.rows.fields import FIELD_NAMES, KEY, NEVER_NULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from consumer_service.dead_letters import Reject
    from consumer_service.employee_writer import NumberedEmployees
    from consumer_service.row_check import CheckRows
    from consumer_service.row_results import RawRows
    from consumer_service.row_writer import Target
    from shared.messages import PreviewChunkRequest

_COLUMNS: Final = ("preview_id", "first_row", "row_number", "email")
_COLUMNS_OF_SCOPE: Final = (*_COLUMNS, "company_name")
_COLUMNS_WITH_CELLS: Final = (*_COLUMNS_OF_SCOPE, "lacks_name", "line_number", "cells")

_COMPANY: Final = FIELD_NAMES.index("company_name")

_STORE_REJECTS: Final = text("""
    INSERT INTO preview_rejects (preview_id, row_number, line_number, code, field, message, other_faults, cells)
    SELECT :preview_id, row_number, line_number, code, field, message, CAST(other_faults AS jsonb),
           CAST(cells AS jsonb)
    FROM unnest(CAST(:row_numbers AS bigint[]), CAST(:line_numbers AS bigint[]), CAST(:codes AS text[]),
                CAST(:fields AS text[]), CAST(:messages AS text[]), CAST(:other_faults AS text[]),
                CAST(:cells AS text[]))
         AS reject (row_number, line_number, code, field, message, other_faults, cells)
    ON CONFLICT DO NOTHING
""")


async def note_rows(
    connection: AsyncConnection, rows: RawRows, target: Target, check_rows: CheckRows, *, chunk: PreviewChunkRequest
) -> tuple[Written, list[Reject]]:
    """In the caller's transaction. Valid rows count as inserted. After an error that `blames_a_row`: roll back and use
    `write_one_by_one`.
    """
    valid, rejects = rows.check(target.layout, check_rows)
    if valid:
        if target.on_duplicate == "reject" or not NEVER_NULL.isdisjoint(target.layout.optional):
            await _copy(connection, _lines_with_cells(valid, rows, chunk), _COLUMNS_WITH_CELLS)
        elif target.absent_scope is not None:
            await _copy(connection, _lines_with_company(valid, chunk), _COLUMNS_OF_SCOPE)
        else:
            await _copy(connection, _lines(valid, chunk), _COLUMNS)
    return Written(len(valid), 0, 0), rejects


async def store_preview_rejects(connection: AsyncConnection, preview_id: int, rejects: Sequence[Reject]) -> None:
    """A conflict means that another delivery was faster: the ledger entry, which comes next, meets it as well."""
    if not rejects:
        return
    await connection.execute(
        _STORE_REJECTS,
        {
            "preview_id": preview_id,
            "row_numbers": [reject.row_number for reject in rejects],
            "line_numbers": [reject.line_number for reject in rejects],
            "codes": [str(reject.code) for reject in rejects],
            "fields": [reject.field for reject in rejects],
            "messages": [reject.message for reject in rejects],
            "other_faults": [
                _json(
                    [{"code": str(code), "field": field, "message": said} for code, field, said in reject.other_faults]
                )
                for reject in rejects
            ],
            "cells": [_json(storable(reject.cells)) for reject in rejects],
        },
    )


def _lines(valid: NumberedEmployees, chunk: PreviewChunkRequest) -> bytes:
    """In COPY's text format, as `employee_writer` makes it. One call makes all keys: the rest has no letters."""
    begin = f"{chunk.preview_id}\t{chunk.first_row}\t"
    lines = [f"{begin}{row_number}\t{values[KEY]}\n" for row_number, values in zip(*valid.columns, strict=True)]
    return email_key("".join(lines)).encode().replace(b"\\", b"\\\\")


def _lines_with_company(valid: NumberedEmployees, chunk: PreviewChunkRequest) -> bytes:
    begin = f"{chunk.preview_id}\t{chunk.first_row}\t"
    lines = [
        f"{begin}{row_number}\t{email_key(values[KEY])}\t{values[_COMPANY]}\n"
        for row_number, values in zip(*valid.columns, strict=True)
    ]
    return "".join(lines).encode().replace(b"\\", b"\\\\")


def _lines_with_cells(valid: NumberedEmployees, rows: RawRows, chunk: PreviewChunkRequest) -> bytes:
    lines = []
    for row_number, values in zip(*valid.columns, strict=True):
        at = rows.row_numbers.index(row_number)
        lines.append(
            f"{chunk.preview_id}\t{chunk.first_row}\t{row_number}\t{email_key(values[KEY])}\t{values[_COMPANY]}\t"
            f"{'t' if lacks_a_value(values) else 'f'}\t{rows.line_numbers[at]}\t{_json(storable(rows.cells[at]))}\n"
        )
    return "".join(lines).encode().replace(b"\\", b"\\\\")


async def _copy(connection: AsyncConnection, lines: bytes, columns: Sequence[str]) -> None:
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        await driver.copy_to_table("preview_notes", source=memoryview(lines), columns=columns)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # As every other statement raises it.
        raise DBAPIError("COPY preview_notes", None, error, hide_parameters=True) from error
    except TimeoutError as error:
        await connection.invalidate(error)
        raise


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
