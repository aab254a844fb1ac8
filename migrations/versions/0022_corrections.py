"""Rejected rows can be corrected: what was asked, with which cells, and what became of it.

The cells of the file are kept beside those that were tried last; null where nobody corrected the row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rejected_rows", sa.Column("original_cells", postgresql.JSONB()))
    op.create_table(
        "corrections",
        sa.Column("id", sa.UUID(), primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column(
            "upload_id",
            sa.UUID(),
            sa.ForeignKey(
                "uploads.id",
                ondelete="CASCADE",
                name=op.f("corrections_upload_id_fkey"),
                deferrable=True,
                initially="DEFERRED",
            ),
            nullable=False,
        ),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'queued'")),
        sa.Column("total", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("unchanged", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("ignored_columns", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("fence", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'cancelling', 'cancelled', 'succeeded')",
            name=op.f("corrections_state_check"),
        ),
    )
    op.create_index("corrections_upload_idx", "corrections", ["upload_id"])
    op.create_index(
        "corrections_unfinished_idx", "corrections", ["expires_at"], postgresql_where=sa.text("finished_at IS NULL")
    )
    op.create_table(
        "corrected_rows",
        sa.Column(
            "correction_id",
            sa.UUID(),
            sa.ForeignKey("corrections.id", ondelete="CASCADE", name=op.f("corrected_rows_correction_id_fkey")),
            primary_key=True,
        ),
        sa.Column("row_number", sa.BigInteger(), primary_key=True),
        sa.Column("attempt", sa.Integer()),
        sa.Column("cells", postgresql.JSONB()),
        sa.Column("outcome", sa.Text()),
        sa.CheckConstraint(
            "outcome IN ('inserted', 'updated', 'duplicate', 'rejected', 'row_changed', 'cancelled', 'no_reject',"
            " 'letter_deleted')",
            name=op.f("corrected_rows_outcome_check"),
        ),
    )


def downgrade() -> None:
    op.drop_table("corrected_rows")
    op.drop_table("corrections")
    op.drop_column("rejected_rows", "original_cells")
