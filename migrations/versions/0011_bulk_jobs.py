"""Redrives and deletions of dead letters are jobs, which outlive the process that works on them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_jobs",
        sa.Column("id", sa.UUID(), primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'queued'")),
        sa.Column("upload_id", sa.UUID()),
        sa.Column("code", sa.Text()),
        sa.Column("most", sa.BigInteger()),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("left_over", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("resume_point", postgresql.JSONB()),
        sa.Column("fence", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("kind IN ('redrive', 'delete')", name=op.f("bulk_jobs_kind_check")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'cancelling', 'cancelled', 'succeeded')",
            name=op.f("bulk_jobs_state_check"),
        ),
    )
    op.create_index(
        "bulk_jobs_unfinished_idx",
        "bulk_jobs",
        [sa.text("(finished_at IS NULL)")],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("bulk_jobs")
