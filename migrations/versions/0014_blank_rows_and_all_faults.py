"""Uploads count their blank rows, and rejected rows keep all that is wrong with them.

Defaults of a constant rewrite no row. Services of the version before go on: what they write has the defaults.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("blank_rows", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("rejected_rows", sa.Column("other_faults", JSONB(), nullable=False, server_default=sa.text("'[]'")))


def downgrade() -> None:
    op.drop_column("rejected_rows", "other_faults")
    op.drop_column("uploads", "blank_rows")
