"""The triggers of groups cost a message without a group next to nothing.

No row is rewritten; services of the version before go on. Postgres reads a trigger's condition anew in each statement
whose rows it may concern, so each claim and each acknowledgement paid for a long one. Now the trigger asks only whether
there is a group, and its function for the rest.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

# As in 0029. A last lease that begins or changes, and what lives again.
_MOVED = """NEW.visible_at = 'infinity' AND NEW.lease_expires_at IS NOT NULL
                 OR OLD.visible_at = 'infinity' AND OLD.lease_expires_at IS NOT NULL
                    AND NEW.visible_at IS DISTINCT FROM 'infinity'"""
# Not of what was blocked, nor of what was dead: it was not the open one.
_LEFT = "OLD.visible_at IS DISTINCT FROM 'infinity' OR OLD.lease_expires_at > now()"
# Trigger, its event, the row that has the group, what else it is for.
_TRIGGERS = (("moved", "UPDATE", "NEW", _MOVED), ("left", "DELETE", "OLD", _LEFT))
_BEGIN = "\nBEGIN\n"


def upgrade() -> None:
    op.execute("LOCK TABLE queue_messages IN ACCESS EXCLUSIVE MODE")
    for name, event, row, condition in _TRIGGERS:
        _replace_in_function(name, _BEGIN, _BEGIN + _unless(condition))
        _replace_trigger(name, event, f"{row}.group_id IS NOT NULL")


def downgrade() -> None:
    op.execute("LOCK TABLE queue_messages IN ACCESS EXCLUSIVE MODE")
    for name, event, row, condition in _TRIGGERS:
        _replace_trigger(name, event, f"{row}.group_id IS NOT NULL AND ({condition})")
        _replace_in_function(name, _BEGIN + _unless(condition), _BEGIN)


def _unless(condition: str) -> str:
    return f"    IF ({condition}) IS NOT TRUE THEN\n        RETURN NULL;\n    END IF;\n"


def _replace_trigger(name: str, event: str, condition: str) -> None:
    op.execute(f"DROP TRIGGER queue_messages_group_{name} ON queue_messages")
    op.execute(f"""
        CREATE TRIGGER queue_messages_group_{name} AFTER {event} ON queue_messages
        FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION queue_group_{name}()
    """)


def _replace_in_function(name: str, before: str, after: str) -> None:
    # The rest of it, settings included, stays as 0029 made it.
    definition = sa.text("SELECT pg_get_functiondef(CAST(:function AS regprocedure))")
    found: str = op.get_bind().execute(definition, {"function": f"queue_group_{name}()"}).scalar_one()
    if found.count(before) != 1:
        raise RuntimeError(f"the function queue_group_{name}() is not as migration 0029 makes it")
    op.get_bind().exec_driver_sql(found.replace(before, after))
