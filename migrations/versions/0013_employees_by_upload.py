"""Employees by the upload that they stand as, under an index that is small and cheap to keep.

Services of the version before go on as they are. Nothing can be written to `employees` while it is built, which takes a
few seconds for ten million; consumers wait, and try again.
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "employees_upload_idx",
        "employees",
        ["upload_sequence"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on", "pages_per_range": "32"},
    )


def downgrade() -> None:
    op.drop_index("employees_upload_idx", table_name="employees")
