"""The lease queues and their messages."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from shared.database.tables.columns import count, metadata, one_of, timestamp

# A queue whose name is gone, and whose messages are being deleted, a step at a time.
deleted_queues = Table("deleted_queues", metadata, Column("queue_id", Integer, primary_key=True, autoincrement=False))

# The answer to a send with a deduplication id, for its repetitions. It outlives the message.
queue_deduplications = Table(
    "queue_deduplications",
    metadata,
    Column("queue_id", Integer, primary_key=True, autoincrement=False),
    Column("deduplication_id", Text, primary_key=True),
    Column("message_id", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("queue_deduplications_expires_at_idx", "expires_at"),
)

REDRIVE_STATES = ("running", "succeeded", "cancelled")

# A redrive that takes its time: so many messages a second of those that were dead when it was asked for.
queue_redrives = Table(
    "queue_redrives",
    metadata,
    Column("id", UUID, primary_key=True, server_default=func.gen_random_uuid()),
    Column("queue_id", Integer, nullable=False),
    # Null: back into their own queue.
    Column("target", Text),
    Column("rate", Integer, nullable=False),
    Column("redriven", BigInteger, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    timestamp("next_at", now=True),
    timestamp("created_at", now=True),
    timestamp("finished_at"),
    CheckConstraint(one_of("state", REDRIVE_STATES), name="state"),
)

MOVE_TASK_STATES = ("RUNNING", "COMPLETED", "CANCELLED", "FAILED")

# A move task of the SQS endpoint: what can be received in a queue goes back to where it died, or to another queue.
sqs_move_tasks = Table(
    "sqs_move_tasks",
    metadata,
    Column("id", UUID, primary_key=True, server_default=func.gen_random_uuid()),
    Column("queue_id", Integer, nullable=False),
    # Null: each message goes where it came from.
    Column("target", Text),
    # Messages a second; null: as many as there are.
    Column("rate", Integer),
    # What is sent later stays.
    Column("last_id", BigInteger, nullable=False),
    Column("to_move", BigInteger, nullable=False),
    Column("moved", BigInteger, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False, server_default=text("'RUNNING'")),
    Column("failure", Text),
    timestamp("next_at", now=True),
    timestamp("created_at", now=True),
    CheckConstraint(one_of("state", MOVE_TASK_STATES), name="state"),
    # One a queue at a time.
    Index("sqs_move_tasks_running_idx", "queue_id", unique=True, postgresql_where=text("state = 'RUNNING'")),
)

# An HTTP queue (`api_service.lease_queues`) and its settings.
queues = Table(
    "queues",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("max_receives", Integer, nullable=False, server_default=text("10")),
    Column("visibility_timeout_seconds", Integer, nullable=False, server_default=text("30")),
    # Nothing is handed out meanwhile.
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    # For so long a deduplication id is remembered.
    Column("deduplication_seconds", Integer, nullable=False, server_default=text("300")),
    # Older messages are dropped; null: none are.
    Column("retention_seconds", Integer),
    # Where dead messages move to, by its name: it begins with the first. Null: they stay.
    Column("dead_letter_queue", Text),
    # Of the SQS endpoint alone (`api_service.lease_queues.sqs.queue_records`): attributes, tags.
    Column("sqs", JSON),
    timestamp("created_at", now=True),
)

SUBSCRIPTION_STATES = ("active", "disabled")

# Where a queue's messages are pushed to. It goes with its queue, whichever release deletes that.
queue_subscriptions = Table(
    "queue_subscriptions",
    metadata,
    Column("queue_id", Integer, ForeignKey("queues.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # Part of the ids of its pushes, so that no two systems, and no two subscriptions, have one in common.
    Column("id", UUID, nullable=False, server_default=func.gen_random_uuid()),
    Column("url", Text, nullable=False),
    # Readable, because what is pushed is signed with it.
    Column("secret", Text, nullable=False),
    # Disabled by an endpoint that says it is gone (410), until it is set anew.
    Column("state", Text, nullable=False, server_default=text("'active'")),
    # What each process has counted, written about once a second.
    count("delivered"),
    count("failed"),
    # Null: no answer came.
    Column("last_status", Integer),
    Column("last_error", Text),
    timestamp("last_attempt_at"),
    timestamp("failing_since"),
    timestamp("created_at", now=True),
    # A push that began before belongs to another address or secret.
    timestamp("changed_at", now=True),
    CheckConstraint(one_of("state", SUBSCRIPTION_STATES), name="state"),
)

# The messages of all queues. Each is inserted once, updated once a lease, and deleted when it is acknowledged, so two
# dead tuples pass through each index for every message, and a claim reads where they pile up, at the indexes' heads.
# Against that: a partial index for each of the two kinds of message, so that a claim never meets the leased ones;
# claims that begin where the head was last seen (`ClaimStart`); and an autovacuum that starts by number instead of by
# share, does not sleep, and cleans the indexes every time. An update moves a row from one index to the other and so can
# never be HOT, hence no fillfactor. There is no foreign key to `queues`: the check would lock its row once a
# message, and a deleted queue's messages go after it. `json`, not `jsonb`: what was sent comes back byte for byte, NUL
# escapes too.
queue_messages = Table(
    "queue_messages",
    metadata,
    # Of one queue, ids are committed in ascending order (a send holds the queue's lock), so no claim that starts at
    # the first message in line passes one by.
    Column("queue_id", Integer, primary_key=True, autoincrement=False),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    timestamp("enqueued_at", now=True),
    # Null: in line since it was sent. A time: hidden until then, by a delay or a lease. Infinity: its last lease; once
    # that runs out the message is dead, without anybody writing it down. Nothing ever becomes null again.
    # Infinity without a lease: blocked by another of its group, until a trigger opens it.
    timestamp("visible_at"),
    # When the latest lease ends or ended; null: never leased, or given back.
    timestamp("lease_expires_at"),
    # New with each lease, so that a late consumer cannot touch the next one's.
    Column("receipt", UUID),
    Column("receive_count", Integer, nullable=False, server_default=text("0")),
    Column("payload_bytes", Integer, nullable=False),
    Column("consumer_id", Text),
    Column("payload", JSON, nullable=False),
    # Of a group one message at a time can be leased, in their order; triggers see to it, whoever moves them.
    Column("group_id", Text),
    # Higher ones first, 0 to 9.
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),
    # Strings by name, as they were sent; their bytes count as the payload's.
    Column("headers", JSON),
    # Of one that died in another queue: which, and what it was there.
    Column("moved_from", JSON),
    # By the SQS endpoint's receivers it is asked for.
    timestamp("first_received_at"),
    Index("queue_messages_in_line_idx", "queue_id", "id", postgresql_where=text("visible_at IS NULL")),
    Index("queue_messages_hidden_idx", "queue_id", "visible_at", "id", postgresql_where=text("visible_at IS NOT NULL")),
    # Of one group: those in line or open by their time, then last leases by their end, then the blocked ones by id.
    Index(
        "queue_messages_group_idx",
        "queue_id",
        "group_id",
        "visible_at",
        "lease_expires_at",
        "id",
        postgresql_where=text("group_id IS NOT NULL"),
    ),
    Index(
        "queue_messages_priority_idx",
        "queue_id",
        "priority",
        "visible_at",
        "id",
        postgresql_where=text("priority > 0"),
    ),
    # The dead, and those that will be at a lease's end, apart from what is blocked. Only a statement that says the same
    # can use it: to those of groups it would seem to fit otherwise, and is far too wide.
    Index(
        "queue_messages_last_lease_idx",
        "queue_id",
        "lease_expires_at",
        "id",
        postgresql_where=text("coalesce(visible_at = 'infinity' AND lease_expires_at IS NOT NULL, false)"),
    ),
)
