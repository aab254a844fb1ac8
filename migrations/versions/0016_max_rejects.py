"""Uploads say past how many rejected rows they end.

Those that are there were promised no such end, and have none.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("max_rejects", sa.Integer()))


def downgrade() -> None:
    op.drop_column("uploads", "max_rejects")
