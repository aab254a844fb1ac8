"""Who listens on `rollcall_uploads` hears the id of each upload that changed as viewers can see, or that was deleted.

A NOTIFY makes the commits that have one go one by one; those of chunks have none, because they leave the upload alone.
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_FUNCTION = """
    CREATE FUNCTION announce_upload_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('rollcall_uploads', OLD.id::text);
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    op.execute(_FUNCTION)
    op.execute("""
        CREATE TRIGGER uploads_changed AFTER UPDATE ON uploads FOR EACH ROW
        WHEN (OLD.revision <> NEW.revision) EXECUTE FUNCTION announce_upload_change()
    """)
    op.execute("""
        CREATE TRIGGER uploads_deleted AFTER DELETE ON uploads FOR EACH ROW EXECUTE FUNCTION announce_upload_change()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER uploads_changed ON uploads")
    op.execute("DROP TRIGGER uploads_deleted ON uploads")
    op.execute("DROP FUNCTION announce_upload_change")
