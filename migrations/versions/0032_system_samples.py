"""How deep the queues were and how many rows were done, over the last hour, for the page of the system.

A small table of its own, which services of the version before know nothing of.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "system_samples",
        sa.Column("taken_at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("depths", postgresql.JSONB()),
    )


def downgrade() -> None:
    op.drop_table("system_samples")
