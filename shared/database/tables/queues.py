"""The lease queues and their messages."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from shared.database.tables.columns import metadata, timestamp

# An HTTP queue (`api_service.lease_queues`) and its settings.
queues = Table(
    "queues",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("max_receives", Integer, nullable=False, server_default=text("10")),
    Column("visibility_timeout_seconds", Integer, nullable=False, server_default=text("30")),
    timestamp("created_at", now=True),
)

# The messages of all queues. Each is inserted once, updated once a lease, and deleted when it is acknowledged, so two
# dead tuples pass through each index for every message, and a claim reads where they pile up, at the indexes' heads.
# Against that: a partial index for each of the two kinds of message, so that a claim never meets the leased ones;
# claims that begin where the head was last seen (`ClaimStart`); and an autovacuum that starts by number instead of by
# share, does not sleep, and cleans the indexes every time. An update moves a row from one index to the other and so can
# never be HOT, hence no fillfactor. There is no foreign key to `queues`: a queue is never deleted, and the check would
# lock its row once a message. `json`, not `jsonb`: what was sent comes back byte for byte, NUL escapes too.
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
    timestamp("visible_at"),
    # When the latest lease ends or ended; null: never leased, or given back.
    timestamp("lease_expires_at"),
    # New with each lease, so that a late consumer cannot touch the next one's.
    Column("receipt", UUID),
    Column("receive_count", Integer, nullable=False, server_default=text("0")),
    Column("payload_bytes", Integer, nullable=False),
    Column("consumer_id", Text),
    Column("payload", JSON, nullable=False),
    Index("queue_messages_in_line_idx", "queue_id", "id", postgresql_where=text("visible_at IS NULL")),
    Index("queue_messages_hidden_idx", "queue_id", "visible_at", "id", postgresql_where=text("visible_at IS NOT NULL")),
)
