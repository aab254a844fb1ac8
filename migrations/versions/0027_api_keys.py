"""Callers have keys, browsers sessions, and an upload knows by whose key it came.

No row is rewritten. Services of the version before go on, and ask nobody for a key: replace all API and producer
processes before authentication is relied on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploads", sa.Column("uploaded_by", sa.Text()))
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("created_by", sa.Text()),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "key_sessions",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("key_id", sa.Text(), sa.ForeignKey("api_keys.id", ondelete="CASCADE"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("key_sessions_key_idx", "key_sessions", ["key_id"])
    _announce_changes()


def downgrade() -> None:
    op.drop_table("key_sessions")
    op.drop_table("api_keys")
    op.execute("DROP FUNCTION announce_keys()")
    op.drop_column("uploads", "uploaded_by")


def _announce_changes() -> None:
    """Whoever makes them, an administrator with psql too: a key that is revoked is to be refused within a second."""
    op.execute("""
        CREATE FUNCTION announce_keys() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        BEGIN
            PERFORM pg_notify('rollcall_keys', '');
            RETURN NULL;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER api_keys_announce
        AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF name, scopes, digest, expires_at, revoked_at ON api_keys
        FOR EACH STATEMENT EXECUTE FUNCTION announce_keys()
    """)
    op.execute("""
        CREATE TRIGGER key_sessions_announce AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON key_sessions
        FOR EACH STATEMENT EXECUTE FUNCTION announce_keys()
    """)
