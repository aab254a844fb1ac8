"""Deletes the employee with an email, and what uploads replaced of them. Nothing here commits.

What is left is a chain that says who replaced whom and nothing of the person, and that the erasure came last: an undo
of any of those uploads then finds its employee changed since, and counts them as `kept` (P10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from shared.rows.named_people import folded

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

# No upload has this sequence: who changed the employee last is no upload.
ERASED_SEQUENCE: Final = -1

_LOCK: Final = text("SELECT id, upload_sequence, row_number FROM employees WHERE lower(email) = :email FOR UPDATE")

_CHAIN: Final = text("""
    WITH RECURSIVE chain (upload_sequence, employee_id, replaced_sequence, replaced_row) AS (
        SELECT upload_sequence, employee_id, replaced_sequence, replaced_row FROM replaced_employees
        WHERE upload_sequence = :sequence AND employee_id = :id
        UNION ALL
        SELECT r.upload_sequence, r.employee_id, r.replaced_sequence, r.replaced_row
        FROM chain AS c
        JOIN replaced_employees AS r ON r.upload_sequence = c.replaced_sequence AND r.employee_id = c.employee_id
    )
    SELECT upload_sequence, replaced_sequence, replaced_row FROM chain
""")

_DELETE: Final = text("DELETE FROM employees WHERE id = :id")

# A trigger has deleted the chain with the employee.
_KEEP_CHAIN: Final = text("""
    INSERT INTO replaced_employees (upload_sequence, employee_id, replaced_sequence, replaced_row)
    SELECT upload_sequence, :id, replaced_sequence, replaced_row
    FROM unnest(CAST(:sequences AS bigint[]), CAST(:replaced_sequences AS bigint[]), CAST(:replaced_rows AS bigint[]))
         AS kept (upload_sequence, replaced_sequence, replaced_row)
    ON CONFLICT DO NOTHING
""")

_COUNT: Final = text("UPDATE employee_totals SET total = total - 1 WHERE slot = 0")

# Of an employee who is gone already.
_LEFT_OVER: Final = text("""
    UPDATE replaced_employees SET employee = NULL WHERE lower(employee ->> 'email') = :email
""")


class EmployeeTraces(NamedTuple):
    """How many there were."""

    employees: int
    before_images: int


async def erase_employee(connection: AsyncConnection, email: str) -> EmployeeTraces:
    """Who has it and what is known of before. Waits for whoever writes the employee just now."""
    found = (await connection.execute(_LOCK, {"email": folded(email)})).one_or_none()
    images = 0
    if found is not None:
        stands = {"sequence": found.upload_sequence, "id": found.id}
        chain = [tuple(entry) for entry in (await connection.execute(_CHAIN, stands)).all()]
        images = len(chain)
        await connection.execute(_DELETE, stands)
        chain.append((ERASED_SEQUENCE, found.upload_sequence, found.row_number))
        sequences, replaced_sequences, replaced_rows = map(list, zip(*chain, strict=True))
        kept = {"sequences": sequences, "replaced_sequences": replaced_sequences, "replaced_rows": replaced_rows}
        await connection.execute(_KEEP_CHAIN, {"id": found.id, **kept})
        await connection.execute(_COUNT)
    images += (await connection.execute(_LEFT_OVER, {"email": folded(email)})).rowcount
    return EmployeeTraces(int(found is not None), images)
