"""Leases know which uploads are suspected, and which producers died on them alone.

Producers of the version before go on by columns of their own. A default of a constant rewrites no row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "upload_leases", sa.Column("suspected", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.add_column(
        "upload_leases",
        sa.Column("trial_producers", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
    )


def downgrade() -> None:
    op.drop_column("upload_leases", "trial_producers")
    op.drop_column("upload_leases", "suspected")
