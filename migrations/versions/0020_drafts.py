"""Uploads can be drafts, which are judged and wait for their start; what their senders said of the file is kept.

No row is rewritten. Adding the check reads the uploads once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

EARLIER_STATES = (
    "'queued', 'running', 'cancelling', 'succeeded', 'partially_succeeded', 'failed', 'cancelled', 'undoing', 'undone'"
)


def upgrade() -> None:
    op.add_column("uploads", sa.Column("options", postgresql.JSONB()))
    op.add_column("uploads", sa.Column("accepted_at", sa.DateTime(timezone=True)))
    op.alter_column("uploads", "encoding", nullable=True)
    op.alter_column("uploads", "delimiter", nullable=True)
    _allow_states(f"'draft', {EARLIER_STATES}")


def downgrade() -> None:
    op.execute("DELETE FROM uploads WHERE status = 'draft' OR encoding IS NULL OR delimiter IS NULL")
    _allow_states(EARLIER_STATES)
    op.alter_column("uploads", "delimiter", nullable=False)
    op.alter_column("uploads", "encoding", nullable=False)
    op.drop_column("uploads", "accepted_at")
    op.drop_column("uploads", "options")


def _allow_states(states: str) -> None:
    op.drop_constraint(op.f("uploads_status_check"), "uploads", type_="check")
    op.create_check_constraint(op.f("uploads_status_check"), "uploads", f"status IN ({states})")
