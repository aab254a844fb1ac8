"""An outbox of the dead letters instead of a mark on each rejected row.

Services of the version before can go on until they are replaced, but for two things: a consumer fails before it commits
rejects, and holds its message, and the API cannot list them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Chunks and redrives lock their upload first: those in flight end before, and none begins meanwhile.
    op.execute("LOCK TABLE uploads IN EXCLUSIVE MODE")
    op.create_table(
        "unpublished_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("upload_id", sa.UUID(), nullable=False),
        sa.Column("first_row", sa.BigInteger(), nullable=False),
        sa.Column("last_row", sa.BigInteger(), nullable=False),
        sa.Column("dead_at", sa.DateTime(timezone=True), nullable=False),
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
    # It ties a row to its entry, so both are told it. And a consumer that knows no outbox fails here, not after its
    # commit.
    op.alter_column("rejected_rows", "dead_at", server_default=None)


def downgrade() -> None:
    op.execute("LOCK TABLE uploads IN ACCESS EXCLUSIVE MODE")
    op.alter_column("rejected_rows", "dead_at", server_default=sa.text("now()"))
    # By a default, which rewrites no row, all are published; then not those of the outbox.
    op.add_column(
        "rejected_rows",
        sa.Column("published_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True),
    )
    op.alter_column("rejected_rows", "published_at", server_default=None)
    op.execute("""
        UPDATE rejected_rows AS r SET published_at = NULL
        FROM unpublished_letters AS entry
        WHERE r.upload_id = entry.upload_id AND r.row_number BETWEEN entry.first_row AND entry.last_row
          AND r.dead_at = entry.dead_at
    """)
    op.create_index(
        "rejected_rows_unpublished_idx",
        "rejected_rows",
        ["dead_at"],
        postgresql_where=sa.text("published_at IS NULL AND discarded_at IS NULL"),
    )
    op.drop_table("unpublished_letters")
