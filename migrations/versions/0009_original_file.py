"""Uploads know the file that was sent, where what is read of it was made from it: unpacked, or a sheet of a workbook.

Those that are there were sent as they are read. New columns without a value rewrite no row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("original_key", sa.Text()))
    op.add_column("uploads", sa.Column("original_bytes", sa.BigInteger()))
    op.add_column("uploads", sa.Column("original_sha256", sa.Text()))
    op.add_column("uploads", sa.Column("original_kind", sa.Text()))
    op.add_column("uploads", sa.Column("sheet", sa.Text()))


def downgrade() -> None:
    for column in ("sheet", "original_kind", "original_sha256", "original_bytes", "original_key"):
        op.drop_column("uploads", column)
