"""Who tidies the indexes of employees need not own the table: functions do it with their owner's rights."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


_FUNCTIONS = {
    "tidy_search_index": """
        PERFORM gin_clean_pending_list(index)
        FROM unnest(ARRAY['employees_search_idx', 'email_domains_search_idx']::regclass[]) AS index;
        ANALYZE employees;
    """,
    "summarize_employees_by_upload": "PERFORM brin_summarize_new_values('employees_upload_idx'::regclass);",
}


def upgrade() -> None:
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    for name, body in _FUNCTIONS.items():
        # Temporary tables last: one that is called as ours would be read with the owner's rights.
        op.execute(f"""
            CREATE FUNCTION {name}() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = {schema}, pg_temp AS $$ BEGIN {body} END $$
        """)
        op.execute(f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC")


def downgrade() -> None:
    for name in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}()")
