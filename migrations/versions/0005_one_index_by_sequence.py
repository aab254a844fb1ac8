"""Uploads by their sequence under one index: the unique one can be read backwards.

Services of the version before go on as they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("uploads_newest_idx", table_name="uploads")


def downgrade() -> None:
    op.create_index("uploads_newest_idx", "uploads", [sa.literal_column("sequence DESC")])
