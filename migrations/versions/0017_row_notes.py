"""The ledger notes which rows of a chunk became what, and an employee which row of its own upload it displaced.

Entries of before, and those of consumers of release 0.2 that still run, have null, which says that nobody noted it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("employees", sa.Column("replaced_row", sa.BigInteger()))
    op.add_column("upload_chunks", sa.Column("noted_rows", sa.Integer()))
    op.add_column("upload_chunks", sa.Column("duplicate_bits", sa.LargeBinary()))
    op.add_column("upload_chunks", sa.Column("updated_bits", sa.LargeBinary()))
    op.add_column("upload_chunks", sa.Column("displaced_rows", ARRAY(sa.BigInteger())))
    op.create_index(
        "upload_chunks_displacing_idx",
        "upload_chunks",
        ["upload_id", "first_row"],
        postgresql_where=sa.text("displaced_rows IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("upload_chunks_displacing_idx", table_name="upload_chunks")
    for column in ("displaced_rows", "updated_bits", "duplicate_bits", "noted_rows"):
        op.drop_column("upload_chunks", column)
    op.drop_column("employees", "replaced_row")
