"""Drafts can be previewed: what their upload would do is found out by the whole pipeline, and noted apart.

No row is rewritten. The lease of a preview has a time of its own, because the upload's never runs out as long as it is
not started: so producers of the version before leave previews alone, as they do drafts.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

EARLIER_STATES = (
    "'draft', 'queued', 'running', 'cancelling', 'succeeded', 'partially_succeeded', 'failed', 'cancelled', 'undoing',"
    " 'undone'"
)


def upgrade() -> None:
    op.add_column("uploads", sa.Column("preview_id", sa.BigInteger()))
    op.add_column("uploads", sa.Column("preview", postgresql.JSONB()))
    op.add_column("uploads", sa.Column("preview_requested_at", sa.DateTime(timezone=True)))
    op.create_index(
        "uploads_preview_idx", "uploads", ["preview_id"], postgresql_where=sa.text("preview_id IS NOT NULL")
    )
    op.add_column("upload_leases", sa.Column("preview_expires_at", sa.DateTime(timezone=True)))
    _allow_states(f"'previewing', 'previewed', {EARLIER_STATES}")
    op.create_table("upload_previews", sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True))
    _create_tables()


def downgrade() -> None:
    for table in ("preview_notes", "preview_rejects", "preview_chunks", "upload_previews"):
        op.drop_table(table)
    op.execute("UPDATE uploads SET status = 'draft' WHERE status IN ('previewing', 'previewed')")
    _allow_states(EARLIER_STATES)
    op.drop_column("upload_leases", "preview_expires_at")
    op.drop_index("uploads_preview_idx", table_name="uploads")
    for name in ("preview_requested_at", "preview", "preview_id"):
        op.drop_column("uploads", name)


def _create_tables() -> None:
    op.create_table(
        "preview_chunks",
        _of_preview("preview_chunks"),
        sa.Column("first_row", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("inserted", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("rejected_by", postgresql.JSONB(), nullable=False),
        sa.Column("duplicate_bits", sa.LargeBinary()),
        sa.Column("updated_bits", sa.LargeBinary()),
        sa.CheckConstraint(
            "row_count = inserted + updated + duplicates + rejected", name=op.f("preview_chunks_accounted_check")
        ),
    )
    op.create_table(
        "preview_rejects",
        _of_preview("preview_rejects"),
        sa.Column("row_number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("line_number", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("field", sa.Text()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("other_faults", postgresql.JSONB(), nullable=False),
        sa.Column("cells", postgresql.JSONB(), nullable=False),
    )
    op.create_table(
        "preview_notes",
        sa.Column("preview_id", sa.BigInteger(), nullable=False),
        sa.Column("first_row", sa.BigInteger(), nullable=False),
        sa.Column("row_number", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("lacks_name", sa.Boolean()),
        sa.Column("line_number", sa.BigInteger()),
        sa.Column("cells", postgresql.JSONB()),
    )
    op.create_index(
        "preview_notes_preview_idx",
        "preview_notes",
        ["preview_id"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on", "pages_per_range": "32"},
    )


def _of_preview(table: str) -> sa.Column[int]:
    reference = sa.ForeignKey("upload_previews.id", ondelete="CASCADE", name=op.f(f"{table}_preview_id_fkey"))
    return sa.Column("preview_id", sa.BigInteger(), reference, primary_key=True, autoincrement=False)


def _allow_states(states: str) -> None:
    op.drop_constraint(op.f("uploads_status_check"), "uploads", type_="check")
    op.create_check_constraint(op.f("uploads_status_check"), "uploads", f"status IN ({states})")
