"""What an upload replaces is kept, so that it can be undone; and an upload's employees are found by their row, too.

Services of the version before go on as they are, and what they replace is kept as well. Nothing can be written to
`employees` and `uploads` for the few seconds that the index takes for ten million; consumers wait, and try again.
Uploads that are there can never be undone: what they replaced is gone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

STATES_BEFORE = ("queued", "running", "cancelling", "succeeded", "partially_succeeded", "failed", "cancelled")
STATES = (*STATES_BEFORE, "undoing", "undone")
COUNTS = ("deleted", "restored", "kept")


def upgrade() -> None:
    # In the order in which a consumer locks them.
    op.execute("LOCK TABLE uploads IN ACCESS EXCLUSIVE MODE")
    op.execute("LOCK TABLE employees IN SHARE ROW EXCLUSIVE MODE")
    _allow_states(STATES)
    # The default marks the uploads that are there, and none that comes.
    op.add_column("uploads", sa.Column("undo_expired_at", sa.DateTime(timezone=True), server_default=sa.func.now()))
    op.alter_column("uploads", "undo_expired_at", server_default=None)
    op.add_column("uploads", sa.Column("undo_requested_at", sa.DateTime(timezone=True)))
    op.add_column("uploads", sa.Column("undone_at", sa.DateTime(timezone=True)))
    for name in COUNTS:
        op.add_column("uploads", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_index("uploads_undoing_idx", "uploads", ["sequence"], postgresql_where=sa.text("status = 'undoing'"))
    _create_tables()
    _keep_what_is_replaced()
    _index_by_upload("upload_sequence", "row_number")


def downgrade() -> None:
    op.execute("LOCK TABLE uploads IN ACCESS EXCLUSIVE MODE")
    op.execute("LOCK TABLE employees IN SHARE ROW EXCLUSIVE MODE")
    _index_by_upload("upload_sequence")
    op.execute("DROP TRIGGER employees_update_replaced ON employees")
    op.execute("DROP TRIGGER employees_delete_replaced ON employees")
    op.execute("DROP FUNCTION keep_replaced_employees()")
    op.execute("DROP FUNCTION forget_replaced_employees()")
    op.drop_table("kept_rows")
    op.drop_table("upload_undos")
    op.drop_table("replaced_employees")
    op.drop_index("uploads_undoing_idx", table_name="uploads")
    for name in (*COUNTS, "undone_at", "undo_requested_at", "undo_expired_at"):
        op.drop_column("uploads", name)
    # Of an older release's states, the one that means that nobody works on it.
    op.execute("UPDATE uploads SET status = 'cancelled' WHERE status IN ('undoing', 'undone')")
    _allow_states(STATES_BEFORE)


def _allow_states(states: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("uploads_status_check"), "uploads")
    values = ", ".join(f"'{state}'" for state in states)
    op.create_check_constraint(op.f("uploads_status_check"), "uploads", f"status IN ({values})")


def _create_tables() -> None:
    op.create_table(
        "replaced_employees",
        sa.Column("upload_sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("employee_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("replaced_sequence", sa.BigInteger(), nullable=False),
        sa.Column("replaced_row", sa.BigInteger(), nullable=False),
        sa.Column("employee", postgresql.JSONB()),
    )
    op.create_index("replaced_employees_replaced_idx", "replaced_employees", ["replaced_sequence", "replaced_row"])
    op.create_index(
        "replaced_employees_forgotten_idx",
        "replaced_employees",
        ["replaced_sequence"],
        postgresql_where=sa.text("employee IS NULL"),
    )
    op.create_table(
        "upload_undos",
        sa.Column("upload_id", sa.UUID(), sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("first_row", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("last_row", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=False),
        sa.Column("restored", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "kept_rows",
        sa.Column("upload_id", sa.UUID(), sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("row_number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("employee_id", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=False),
    )


def _keep_what_is_replaced() -> None:
    """A row that displaces one of its own upload keeps nothing: what stood before the upload is kept already.

    The plan must be good for thousands of rows although it may have been made for one. And the tables are found from
    anywhere: a restored dump of data comes without a search path.
    """
    op.execute("""
        CREATE FUNCTION keep_replaced_employees() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT SET enable_nestloop = off AS $$
        BEGIN
            IF current_setting('rollcall.is_undo', true) = 'on' THEN
                RETURN NULL;
            END IF;
            INSERT INTO replaced_employees (upload_sequence, employee_id, replaced_sequence, replaced_row, employee)
            SELECT written.upload_sequence, was.id, was.upload_sequence, was.row_number, to_jsonb(was)
            FROM old_employees AS was JOIN new_employees AS written ON written.id = was.id
            WHERE written.upload_sequence <> was.upload_sequence;
            RETURN NULL;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER employees_update_replaced AFTER UPDATE ON employees
        REFERENCING OLD TABLE AS old_employees NEW TABLE AS new_employees
        FOR EACH STATEMENT EXECUTE FUNCTION keep_replaced_employees()
    """)
    # Nothing of an employee outlives it: from what it stands as on, each replaced the one before.
    op.execute("""
        CREATE FUNCTION forget_replaced_employees() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT
        SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
        BEGIN
            WITH RECURSIVE chain (upload_sequence, employee_id) AS (
                SELECT upload_sequence, id FROM old_employees
                UNION ALL
                SELECT r.replaced_sequence, r.employee_id FROM chain AS c
                JOIN replaced_employees AS r
                  ON r.upload_sequence = c.upload_sequence AND r.employee_id = c.employee_id
            )
            DELETE FROM replaced_employees AS r USING chain AS c
            WHERE r.upload_sequence = c.upload_sequence AND r.employee_id = c.employee_id;
            RETURN NULL;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER employees_delete_replaced AFTER DELETE ON employees
        REFERENCING OLD TABLE AS old_employees FOR EACH STATEMENT EXECUTE FUNCTION forget_replaced_employees()
    """)


def _index_by_upload(*columns: str) -> None:
    """Beside the old one, which only then goes."""
    op.create_index(
        "employees_new_upload_idx",
        "employees",
        list(columns),
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on", "pages_per_range": "32"},
    )
    op.drop_index("employees_upload_idx", table_name="employees")
    op.execute("ALTER INDEX employees_new_upload_idx RENAME TO employees_upload_idx")
