"""An outbox of the dead letters instead of a mark on each rejected row.

Consumers of the version before hold their messages on this schema, and lose nothing: replace them after it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unpublished_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("upload_id", sa.UUID(), nullable=False),
        sa.Column("first_row", sa.BigInteger(), nullable=False),
        sa.Column("last_row", sa.BigInteger(), nullable=False),
        sa.Column("dead_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("unpublished_letters_upload_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("unpublished_letters_pkey")),
    )
    op.create_index("unpublished_letters_rows_idx", "unpublished_letters", ["upload_id", "first_row"])
    op.execute("""
        INSERT INTO unpublished_letters (upload_id, first_row, last_row, dead_at)
        SELECT upload_id, min(row_number), max(row_number), dead_at FROM rejected_rows
        WHERE published_at IS NULL AND discarded_at IS NULL
        GROUP BY upload_id, dead_at
    """)
    op.drop_index("rejected_rows_unpublished_idx", table_name="rejected_rows")
    op.drop_column("rejected_rows", "published_at")


def downgrade() -> None:
    op.add_column("rejected_rows", sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("""
        UPDATE rejected_rows AS r SET published_at = now()
        WHERE NOT EXISTS (
            SELECT 1 FROM unpublished_letters AS entry
            WHERE entry.upload_id = r.upload_id AND entry.dead_at = r.dead_at
              AND r.row_number BETWEEN entry.first_row AND entry.last_row
        )
    """)
    op.create_index(
        "rejected_rows_unpublished_idx",
        "rejected_rows",
        ["dead_at"],
        postgresql_where=sa.text("published_at IS NULL AND discarded_at IS NULL"),
    )
    op.drop_table("unpublished_letters")
