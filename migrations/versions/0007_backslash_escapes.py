"""Uploads say whether their file writes a quote in a quoted cell as a backslash and a quote.

Those that are there do not. A default of a constant rewrites no row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "uploads", sa.Column("backslash_escapes", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )


def downgrade() -> None:
    op.drop_column("uploads", "backslash_escapes")
