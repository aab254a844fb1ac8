"""Uploads tell how long their file was read; those of producers of earlier releases do not. No row is rewritten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("read_seconds", sa.Double()))


def downgrade() -> None:
    op.drop_column("uploads", "read_seconds")
