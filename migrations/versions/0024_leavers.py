"""Employees whom a file no longer names can be marked as left: who they are, and what was done of it.

No row is rewritten. Services of the version before go on: they show who has left as anybody else. They take none of the
uploads that this is for, because only an API of this version asks for it: replace consumers, then producers, then it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In the order in which a consumer locks them.
    op.execute("LOCK TABLE uploads IN ACCESS EXCLUSIVE MODE")
    op.execute("LOCK TABLE employees IN ACCESS EXCLUSIVE MODE")
    op.add_column("uploads", sa.Column("absent_scope", sa.Text()))
    op.add_column("uploads", sa.Column("absent_at_most", sa.Text()))
    op.add_column("uploads", sa.Column("absence", postgresql.JSONB()))
    op.add_column("uploads", sa.Column("deactivated", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("employees", sa.Column("left_at", sa.DateTime(timezone=True)))
    op.add_column(
        "employee_totals", sa.Column("left_total", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    _create_tables()
    _count_who_has_left()


def downgrade() -> None:
    """Who has left is an employee like the others to the release before."""
    op.execute("LOCK TABLE uploads IN ACCESS EXCLUSIVE MODE")
    op.execute("LOCK TABLE employees IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TRIGGER employees_update_left ON employees")
    op.execute("DROP TRIGGER employees_delete_left ON employees")
    op.execute("DROP FUNCTION count_left_employees()")
    for table in ("leaver_ranges", "leavers", "named_emails"):
        op.drop_table(table)
    op.drop_column("employee_totals", "left_total")
    op.drop_column("employees", "left_at")
    for name in ("deactivated", "absence", "absent_at_most", "absent_scope"):
        op.drop_column("uploads", name)


def _create_tables() -> None:
    op.create_table(
        "named_emails",
        sa.Column("upload_id", sa.UUID(), sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("first_row", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("emails", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("unreadable_rows", sa.Integer(), nullable=False),
    )
    op.create_table(
        "leavers",
        sa.Column("upload_id", sa.UUID(), sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("employee_id", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "leaver_ranges",
        sa.Column("upload_id", sa.UUID(), sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("first_number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("deactivated", sa.Integer(), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )


def _count_who_has_left() -> None:
    """Whoever marks, brings back, restores or deletes them: the listing's total leaves them out."""
    op.execute("""
        CREATE FUNCTION count_left_employees() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        DECLARE
            change bigint;
        BEGIN
            IF TG_OP = 'DELETE' THEN
                SELECT -count(left_at) INTO change FROM old_employees;
            ELSE
                SELECT (SELECT count(left_at) FROM new_employees) - (SELECT count(left_at) FROM old_employees)
                INTO change;
            END IF;
            IF change <> 0 THEN
                UPDATE employee_totals SET left_total = left_total + change
                WHERE slot = (SELECT floor(random() * 64)::int);
            END IF;
            RETURN NULL;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER employees_update_left AFTER UPDATE ON employees
        REFERENCING OLD TABLE AS old_employees NEW TABLE AS new_employees
        FOR EACH STATEMENT EXECUTE FUNCTION count_left_employees()
    """)
    op.execute("""
        CREATE TRIGGER employees_delete_left AFTER DELETE ON employees
        REFERENCING OLD TABLE AS old_employees FOR EACH STATEMENT EXECUTE FUNCTION count_left_employees()
    """)
