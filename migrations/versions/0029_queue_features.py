"""Messages of lease queues may have groups, priorities, headers, deduplication ids; queues can be paused and deleted.

No row is rewritten. Services of the version before go on. They hand out no two messages of a group, because triggers
keep a group's order whoever moves its messages; they know neither priorities nor pauses, so use these when all are new.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# `LEASE_QUEUE_SENDS` of `shared.database.advisory_locks`.
_QUEUE_LOCK = 726_511_001


def upgrade() -> None:
    op.execute("LOCK TABLE queues, queue_messages IN ACCESS EXCLUSIVE MODE")
    op.add_column("queue_messages", sa.Column("group_id", sa.Text()))
    op.add_column(
        "queue_messages", sa.Column("priority", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("queue_messages", sa.Column("headers", sa.JSON()))
    op.add_column("queues", sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column(
        "queues", sa.Column("deduplication_seconds", sa.Integer(), server_default=sa.text("300"), nullable=False)
    )
    op.add_column("queues", sa.Column("retention_seconds", sa.Integer()))
    _create_tables()
    _create_indexes()
    _keep_groups_in_order()


def downgrade() -> None:
    """What waits for its group is due at once: the release before would never hand it out."""
    op.execute("LOCK TABLE queues, queue_messages IN ACCESS EXCLUSIVE MODE")
    for moment in ("joined", "moved", "left"):
        op.execute(f"DROP TRIGGER queue_messages_group_{moment} ON queue_messages")
        op.execute(f"DROP FUNCTION queue_group_{moment}()")
    op.execute("DROP FUNCTION open_next_of_group(int, text, timestamptz)")
    op.execute(
        "UPDATE queue_messages SET visible_at = now() "
        "WHERE group_id IS NOT NULL AND visible_at > now() AND lease_expires_at IS NULL"
    )
    op.drop_index("queue_messages_priority_idx", "queue_messages")
    op.drop_index("queue_messages_group_idx", "queue_messages")
    op.drop_table("queue_deduplications")
    op.drop_table("deleted_queues")
    for name in ("retention_seconds", "deduplication_seconds", "paused"):
        op.drop_column("queues", name)
    for name in ("headers", "priority", "group_id"):
        op.drop_column("queue_messages", name)


def _create_tables() -> None:
    op.create_table(
        "queue_deduplications",
        sa.Column("queue_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("deduplication_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "deduplication_id", name=op.f("queue_deduplications_pkey")),
    )
    op.create_index("queue_deduplications_expires_at_idx", "queue_deduplications", ["expires_at"])
    op.create_table(
        "deleted_queues",
        sa.Column("queue_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("queue_id", name=op.f("deleted_queues_pkey")),
    )


def _create_indexes() -> None:
    op.create_index(
        "queue_messages_group_idx",
        "queue_messages",
        ["queue_id", "group_id", "visible_at", "lease_expires_at", "id"],
        postgresql_where=sa.text("group_id IS NOT NULL"),
    )
    op.create_index(
        "queue_messages_priority_idx",
        "queue_messages",
        ["queue_id", "priority", "visible_at", "id"],
        postgresql_where=sa.text("priority > 0"),
    )


def _keep_groups_in_order() -> None:
    """Of a group one message is open; the others have `visible_at` infinity and no lease (docs/lease-queues.md).

    Whoever changes which one is open holds the queue's lock, and looks at the group after it has it: in a function each
    statement sees what was committed until then, which a single statement that waits for the lock would not.
    """
    _create_function("open_next_of_group(the_queue int, the_group text, opens_at timestamptz) RETURNS void", _OPEN_NEXT)
    _create_function("queue_group_joined() RETURNS trigger", _JOINED)
    _create_function("queue_group_moved() RETURNS trigger", _MOVED)
    _create_function("queue_group_left() RETURNS trigger", _LEFT)
    op.execute("""
        CREATE TRIGGER queue_messages_group_joined BEFORE INSERT ON queue_messages
        FOR EACH ROW WHEN (NEW.group_id IS NOT NULL) EXECUTE FUNCTION queue_group_joined()
    """)
    # A last lease that begins or changes, and what lives again. What is blocked is opened by these functions alone.
    op.execute("""
        CREATE TRIGGER queue_messages_group_moved AFTER UPDATE ON queue_messages
        FOR EACH ROW WHEN (
            NEW.group_id IS NOT NULL
            AND (NEW.visible_at = 'infinity' AND NEW.lease_expires_at IS NOT NULL
                 OR OLD.visible_at = 'infinity' AND OLD.lease_expires_at IS NOT NULL
                    AND NEW.visible_at IS DISTINCT FROM 'infinity')
        ) EXECUTE FUNCTION queue_group_moved()
    """)
    # Not of what was blocked, nor of what was dead: it was not the open one.
    op.execute("""
        CREATE TRIGGER queue_messages_group_left AFTER DELETE ON queue_messages
        FOR EACH ROW WHEN (
            OLD.group_id IS NOT NULL AND (OLD.visible_at IS DISTINCT FROM 'infinity' OR OLD.lease_expires_at > now())
        ) EXECUTE FUNCTION queue_group_left()
    """)


def _create_function(signature: str, body: str) -> None:
    # Each statement asks for an order that only the index of groups has, whatever the statistics say; and the time is a
    # variable, because what is volatile is no condition of an index.
    op.execute(f"""
        CREATE FUNCTION {signature} LANGUAGE plpgsql SET search_path FROM CURRENT
        SET enable_sort = off SET enable_incremental_sort = off SET enable_seqscan = off SET enable_bitmapscan = off
        AS $$ {body} $$
    """)


_OF_GROUP = "FROM queue_messages WHERE queue_id = {0}.queue_id AND group_id = {0}.group_id AND"
_BY_GROUP = "ORDER BY queue_id, group_id, visible_at, lease_expires_at, id"

# The one whose time was set already, when the open one got its last lease; else the first that is blocked.
_OPEN_NEXT = f"""
DECLARE
    next_id bigint;
BEGIN
    SELECT id INTO next_id FROM queue_messages
    WHERE queue_id = the_queue AND group_id = the_group
      AND visible_at > clock_timestamp() AND visible_at < 'infinity' AND lease_expires_at IS NULL
    {_BY_GROUP} LIMIT 1;
    IF next_id IS NULL THEN
        SELECT id INTO next_id FROM queue_messages
        WHERE queue_id = the_queue AND group_id = the_group AND visible_at = 'infinity' AND lease_expires_at IS NULL
        {_BY_GROUP} LIMIT 1;
    END IF;
    UPDATE queue_messages SET visible_at = greatest(opens_at, clock_timestamp())
    WHERE queue_id = the_queue AND id = next_id;
END
"""  # noqa: S608 - constants of this module

# Behind a last lease it waits for its end, and in an empty group for nothing.
_JOINED = f"""
DECLARE
    moment timestamptz;
    other bigint;
BEGIN
    PERFORM pg_advisory_xact_lock({_QUEUE_LOCK}, NEW.queue_id);
    SELECT id INTO other {_OF_GROUP.format("NEW")} visible_at IS NULL {_BY_GROUP} LIMIT 1;
    IF other IS NULL THEN
        SELECT id INTO other {_OF_GROUP.format("NEW")} visible_at < 'infinity' {_BY_GROUP} LIMIT 1;
    END IF;
    IF other IS NULL THEN
        SELECT id INTO other
        {_OF_GROUP.format("NEW")} visible_at = 'infinity' AND lease_expires_at IS NULL {_BY_GROUP} LIMIT 1;
    END IF;
    IF other IS NOT NULL THEN
        NEW.visible_at := 'infinity';
    ELSE
        moment := clock_timestamp();
        SELECT lease_expires_at INTO NEW.visible_at
        {_OF_GROUP.format("NEW")} visible_at = 'infinity' AND lease_expires_at > moment
        {_BY_GROUP} LIMIT 1;
    END IF;
    RETURN NEW;
END
"""

# With its last lease a message lets the next one open when that ends, which may change. One that lives again takes the
# place of those that were sent behind it, or that wait for its lease's end, and that nobody has; else it is blocked.
_MOVED = f"""
DECLARE
    moment timestamptz;
    last_lease_ends timestamptz;
    others bigint[];
    blocked bigint;
BEGIN
    PERFORM pg_advisory_xact_lock({_QUEUE_LOCK}, NEW.queue_id);
    moment := clock_timestamp();
    SELECT array_agg(id) INTO others FROM (
        SELECT id FROM (SELECT id {_OF_GROUP.format("NEW")} visible_at IS NULL {_BY_GROUP} OFFSET 0) AS in_line
        UNION ALL
        SELECT id FROM (SELECT id {_OF_GROUP.format("NEW")} visible_at < 'infinity' {_BY_GROUP} OFFSET 0) AS hidden
        WHERE id <> NEW.id
    ) AS other;
    IF NEW.visible_at = 'infinity' THEN
        IF NEW.lease_expires_at <= moment AND OLD.lease_expires_at <= moment THEN
            RETURN NULL;
        END IF;
        IF OLD.visible_at = 'infinity' AND NEW.lease_expires_at > moment AND EXISTS (
            SELECT FROM queue_messages WHERE queue_id = NEW.queue_id AND id = ANY(others)
              AND (coalesce(visible_at <= moment, true) OR lease_expires_at > moment)
        ) THEN
            RAISE 'the lease is over, and the next message of the group is open' USING ERRCODE = '40001';
        END IF;
        PERFORM open_next_of_group(NEW.queue_id, NEW.group_id, NEW.lease_expires_at);
        RETURN NULL;
    END IF;
    WITH changed AS (
        UPDATE queue_messages SET visible_at = 'infinity', lease_expires_at = NULL, receipt = NULL
        WHERE queue_id = NEW.queue_id AND id = ANY(others)
          AND (id > NEW.id OR visible_at > moment) AND coalesce(lease_expires_at <= moment, true)
        RETURNING id
    )
    SELECT count(*) INTO blocked FROM changed;
    SELECT lease_expires_at INTO last_lease_ends
    {_OF_GROUP.format("NEW")} visible_at = 'infinity' AND lease_expires_at > moment {_BY_GROUP} LIMIT 1;
    IF last_lease_ends IS NOT NULL OR blocked < cardinality(others) THEN
        UPDATE queue_messages SET visible_at = 'infinity', lease_expires_at = NULL
        WHERE queue_id = NEW.queue_id AND id = NEW.id;
    END IF;
    IF last_lease_ends IS NOT NULL THEN
        PERFORM open_next_of_group(NEW.queue_id, NEW.group_id, last_lease_ends);
    END IF;
    RETURN NULL;
END
"""  # noqa: S608 - constants of this module

# Unless another is open: several of a group can go at once.
_LEFT = f"""
DECLARE
    moment timestamptz;
    open_id bigint;
    last_lease_ends timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock({_QUEUE_LOCK}, OLD.queue_id);
    moment := clock_timestamp();
    SELECT id INTO open_id {_OF_GROUP.format("OLD")} visible_at IS NULL {_BY_GROUP} LIMIT 1;
    IF open_id IS NULL THEN
        SELECT id INTO open_id FROM (
            SELECT id, visible_at, lease_expires_at
            {_OF_GROUP.format("OLD")} visible_at < 'infinity' {_BY_GROUP} OFFSET 0
        ) AS hidden WHERE visible_at <= moment OR lease_expires_at IS NOT NULL LIMIT 1;
    END IF;
    IF open_id IS NULL THEN
        SELECT lease_expires_at INTO last_lease_ends
        {_OF_GROUP.format("OLD")} visible_at = 'infinity' AND lease_expires_at > moment {_BY_GROUP} LIMIT 1;
        PERFORM open_next_of_group(OLD.queue_id, OLD.group_id, coalesce(last_lease_ends, moment));
    END IF;
    RETURN NULL;
END
"""  # noqa: S608 - constants of this module
