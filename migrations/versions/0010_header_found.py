"""Uploads say where their header is, what stands above it, and why which column was taken for which field.

Those that are there were read by rules that need none of it. Defaults of constants rewrite no row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("header_line", sa.Integer()))
    op.add_column("uploads", sa.Column("first_row_line", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column(
        "uploads",
        sa.Column("preamble", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
    )
    op.add_column(
        "uploads", sa.Column("column_sources", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'"))
    )


def downgrade() -> None:
    op.drop_column("uploads", "column_sources")
    op.drop_column("uploads", "preamble")
    op.drop_column("uploads", "first_row_line")
    op.drop_column("uploads", "header_line")
