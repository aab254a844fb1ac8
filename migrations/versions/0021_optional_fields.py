"""Employees may lack a company or a mobile, and each of their fields may come from another row.

No row is rewritten. Services of the version before go on; to them such an employee has an empty value.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_NULLABLE = ("company_name", "mobile_no")


def upgrade() -> None:
    op.add_column("employees", sa.Column("field_provenance", JSONB()))
    for name in _NULLABLE:
        op.alter_column("employees", name, nullable=True)


def downgrade() -> None:
    """Who has no company or mobile has an empty one then, which is what releases before can store."""
    for name in _NULLABLE:
        op.execute(f"UPDATE employees SET {name} = '' WHERE {name} IS NULL")  # noqa: S608 - a constant
        op.alter_column("employees", name, nullable=False)
    op.drop_column("employees", "field_provenance")
