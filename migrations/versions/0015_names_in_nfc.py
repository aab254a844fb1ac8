"""Names and companies are in Unicode's NFC, as new ones are written and as the search compares them.

In steps of their own transactions, while services run: a step looks at so many rows, and locks and writes those alone
that are otherwise. It waits for nobody, so it takes part in no deadlock; who was locked is taken one by one at the end.
Interrupted, it is run again and passes over what is done. Names that consumers of the release before write after it
stay as they are until a file brings them again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STEP_ROWS = 10_000

_IS_ODD = "(employee_name IS NOT NFC NORMALIZED OR company_name IS NOT NFC NORMALIZED)"
_IN_NFC = "employee_name = normalize(employee_name, NFC), company_name = normalize(company_name, NFC)"

_STEP = sa.text(f"""
    WITH step AS MATERIALIZED (SELECT * FROM employees WHERE id > :after ORDER BY id LIMIT :rows),
    odd AS (
        SELECT id FROM employees WHERE id IN (SELECT id FROM step WHERE {_IS_ODD}) FOR UPDATE SKIP LOCKED
    ), changed AS (
        UPDATE employees SET {_IN_NFC} FROM odd WHERE employees.id = odd.id
    )
    SELECT max(id) FROM step
""")  # noqa: S608 - constants
_LEFT = sa.text(f"SELECT id FROM employees WHERE {_IS_ODD}")  # noqa: S608 - a constant
_ONE = sa.text(f"UPDATE employees SET {_IN_NFC} WHERE id = :id")  # noqa: S608 - a constant


def upgrade() -> None:
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        after: int | None = 0
        while after is not None:
            after = connection.execute(_STEP, {"after": after, "rows": STEP_ROWS}).scalar_one()
        for employee_id in connection.execute(_LEFT).scalars().all():
            connection.execute(_ONE, {"id": employee_id})


def downgrade() -> None:
    """What is in NFC is right for earlier releases too."""
