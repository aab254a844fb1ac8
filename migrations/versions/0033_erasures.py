"""People can be erased, and are not taken again.

Services of the version before go on, and take whoever is in a file: replace the consumers before anybody is erased.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), primary_key=True),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("requested_by", sa.Text()),
        sa.Column("found", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("files", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("resume_point", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('queued', 'running', 'succeeded')", name=op.f("erasures_state_check")),
        sa.CheckConstraint("(finished_at IS NULL) = (email IS NOT NULL)", name=op.f("erasures_email_check")),
    )
    op.create_index(
        "erasures_unfinished_idx",
        "erasures",
        ["person"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index("erasures_newest_idx", "erasures", ["created_at", "id"])
    op.create_table(
        "suppressions",
        sa.Column("person", sa.Text(), primary_key=True),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, unique=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )

    op.create_table(
        "unnamed_objects",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.add_column("uploads", sa.Column("people_erased_at", sa.DateTime(timezone=True)))
    op.create_index(
        "uploads_erased_people_idx",
        "uploads",
        ["id"],
        postgresql_where=sa.text("jsonb_exists(rejected_by, 'erased_person') AND people_erased_at IS NULL"),
    )
    _forget_statistics()


def _forget_statistics() -> None:
    """Who erases somebody need not own the tables. Temporary tables last, as in 0026."""
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    tables = "employees, replaced_employees, rejected_rows, preview_notes, malformed_messages"
    op.execute(f"""
        CREATE FUNCTION forget_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = {schema}, pg_temp AS $$ BEGIN ANALYZE {tables}; END $$
    """)
    op.execute("REVOKE ALL ON FUNCTION forget_statistics() FROM PUBLIC")


def downgrade() -> None:
    op.execute("DROP FUNCTION forget_statistics()")
    op.drop_index("uploads_erased_people_idx", table_name="uploads")
    op.drop_column("uploads", "people_erased_at")
    op.drop_table("unnamed_objects")
    op.drop_table("suppressions")
    op.drop_table("erasures")
