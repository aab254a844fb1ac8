"""A preview says who would leave, and which row stands instead of one that repeats its email.

No row is rewritten. Services of the version before go on; a preview that they had a part in says nothing of either.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("preview_chunks", sa.Column("repeated_rows", postgresql.ARRAY(sa.BigInteger())))
    op.add_column("preview_chunks", sa.Column("standing_rows", postgresql.ARRAY(sa.BigInteger())))
    op.add_column("preview_notes", sa.Column("company_name", sa.Text()))
    op.create_table(
        "preview_names",
        _of_preview(),
        sa.Column("first_row", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("emails", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("unreadable_rows", sa.Integer(), nullable=False),
    )
    op.create_table(
        "preview_leavers",
        _of_preview(),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("employee_id", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("preview_leavers")
    op.drop_table("preview_names")
    op.drop_column("preview_notes", "company_name")
    op.drop_column("preview_chunks", "standing_rows")
    op.drop_column("preview_chunks", "repeated_rows")


def _of_preview() -> sa.Column[int]:
    reference = sa.ForeignKey("upload_previews.id", ondelete="CASCADE")
    return sa.Column("preview_id", sa.BigInteger(), reference, primary_key=True, autoincrement=False)
