"""Leases have a time that releases up to 0.2.0 do not know, so that those take no upload that a newer one accepted.

They read files by rules of their own: an upload that both had worked on ended as `failed`, `ledger_mismatch`. For them
its lease never runs out, as that of a draft. No row is rewritten.
"""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("upload_leases", "preview_expires_at", new_column_name="runs_out_at")


def downgrade() -> None:
    # What is not previewed had no such time.
    op.execute(
        "UPDATE upload_leases AS l SET expires_at = runs_out_at, runs_out_at = NULL FROM uploads AS u"
        " WHERE u.id = l.upload_id AND u.status <> 'previewing' AND l.runs_out_at IS NOT NULL"
    )
    op.alter_column("upload_leases", "runs_out_at", new_column_name="preview_expires_at")
