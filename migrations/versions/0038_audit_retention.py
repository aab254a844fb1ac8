"""Entries of the audit have an end. No row is rewritten; the API of the release before keeps all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Who runs it may delete nothing of the table, and the trigger lets nobody delete what is younger than a month.
    # Ids are in the order of the entries, so that the oldest are found without reading what stays.
    schema = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(f"""
        CREATE FUNCTION purge_audit(kept interval, at_most integer) RETURNS integer LANGUAGE sql SECURITY DEFINER
        SET search_path = {schema}, pg_temp AS $$
            WITH purged AS (
                DELETE FROM audit_entries WHERE id IN (
                    SELECT id FROM (SELECT id, at FROM audit_entries ORDER BY id LIMIT at_most) AS oldest
                    WHERE at < now() - kept
                ) RETURNING id
            )
            SELECT count(*)::integer FROM purged
        $$
    """)  # noqa: S608 - the schema is quoted by the database
    op.execute("REVOKE ALL ON FUNCTION purge_audit(interval, integer) FROM PUBLIC")


def downgrade() -> None:
    op.execute("DROP FUNCTION purge_audit(interval, integer)")
