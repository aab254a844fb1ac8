"""The database knows the id of its upload store, and since when an upload's file is missing there.

A migration cannot see the store, so the first service that can gives it its id.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upload_store",
        sa.Column("singleton", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("adopted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("singleton", name=op.f("upload_store_pkey")),
        sa.CheckConstraint("singleton", name=op.f("upload_store_singleton_check")),
    )
    op.add_column("upload_leases", sa.Column("file_missing_since", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("upload_leases", "file_missing_since")
    op.drop_table("upload_store")
