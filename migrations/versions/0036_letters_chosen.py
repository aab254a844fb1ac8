"""Orders for dead letters choose by time and by name too. No row is rewritten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bulk_jobs", sa.Column("dead_from", sa.DateTime(timezone=True)))
    op.add_column("bulk_jobs", sa.Column("dead_before", sa.DateTime(timezone=True)))
    op.add_column("bulk_jobs", sa.Column("letter_ids", postgresql.ARRAY(sa.Text())))


def downgrade() -> None:
    for name in ("letter_ids", "dead_before", "dead_from"):
        op.drop_column("bulk_jobs", name)
