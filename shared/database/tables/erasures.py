"""Erasures of people, and who is not to come in again. Nobody's email stays here."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from shared.database.tables.columns import count, metadata, one_of, timestamp

ERASURE_STATES = ("queued", "running", "succeeded")

# One for each time that somebody's erasure was asked for. Any API process goes on with one that nobody has a lease on.
erasures = Table(
    "erasures",
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("gen_random_uuid()")),
    # The keyed hash of the folded email, and which key that is.
    Column("person", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    # What is looked for, folded. It goes with the end of the work.
    Column("email", Text),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("requested_by", Text),
    # How many of what were erased, by kind, and which stored files were rewritten.
    Column("found", JSONB, nullable=False, server_default=text("'{}'")),
    Column("files", JSONB, nullable=False, server_default=text("'[]'")),
    # How far it is, so that another process goes on from there, and what it waits for.
    Column("resume_point", JSONB, nullable=False, server_default=text("'{}'")),
    count("fence"),
    Column("expires_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    timestamp("created_at", now=True),
    timestamp("finished_at"),
    CheckConstraint(one_of("state", ERASURE_STATES), name="state_check"),
    CheckConstraint("(finished_at IS NULL) = (email IS NOT NULL)", name="email_check"),
    # One of each person at a time.
    Index("erasures_unfinished_idx", "person", unique=True, postgresql_where=text("finished_at IS NULL")),
    Index("erasures_newest_idx", "created_at", "id"),
)

# Whose rows are refused as `erased_person`. Ids are committed in ascending order, by an advisory lock: by their number
# and the largest a consumer knows whether there is anything new.
suppressions = Table(
    "suppressions",
    metadata,
    Column("person", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False, unique=True),
    timestamp("created_at", now=True),
)

# Objects of the upload store that nothing names any more, until they are deleted.
unnamed_objects = Table(
    "unnamed_objects",
    metadata,
    Column("key", Text, primary_key=True),
    timestamp("since", now=True),
)
