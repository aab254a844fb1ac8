"""Rows that were refused, their dead letters, the work on them that people order; and answers to single requests."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from shared.database.tables.columns import count, metadata, one_of, timestamp

BULK_JOB_KINDS = ("redrive", "delete")
BULK_JOB_STATES = ("queued", "running", "cancelling", "cancelled", "succeeded")
CORRECTION_OUTCOMES = (
    "inserted",
    "updated",
    "duplicate",
    "rejected",
    "row_changed",
    "cancelled",
    "no_reject",
    "letter_deleted",
)


# In careful mode a marker says which consumers were at work on a row. There is no foreign key: its check would wait for
# the lock that the same consumer's transaction has on the upload.
row_markers = Table(
    "row_markers",
    metadata,
    Column("upload_id", UUID, primary_key=True),
    Column("row_number", BigInteger, primary_key=True),
    Column("consumers", ARRAY(UUID), nullable=False),
    timestamp("marked_at", now=True),
)

# The rows of the dead letters and of an upload's report. A row leaves when a redrive of it succeeds. The row of a
# deleted dead letter stays for the report (`discarded_at`).
rejected_rows = Table(
    "rejected_rows",
    metadata,
    Column("upload_id", UUID, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("row_number", BigInteger, primary_key=True),
    Column("line_number", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("field", Text),
    Column("message", Text, nullable=False),
    # What else is wrong with the row: a list of {code, field, message}, like those of the first fault.
    Column("other_faults", JSONB, nullable=False, server_default=text("'[]'")),
    # Those that were tried last, and those of the file if the row was corrected since.
    Column("cells", JSONB, nullable=False),
    Column("original_cells", JSONB),
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("dead_at", DateTime(timezone=True), nullable=False),
    timestamp("discarded_at"),
    Index(
        "rejected_rows_oldest_idx",
        "dead_at",
        "upload_id",
        "row_number",
        postgresql_where=text("discarded_at IS NULL"),
    ),
)

# The outbox of the dead letters. An entry stands for the rows of its range that have its `dead_at`. It is deleted when
# the broker has confirmed their letters.
unpublished_letters = Table(
    "unpublished_letters",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("upload_id", UUID, ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
    Column("first_row", BigInteger, nullable=False),
    Column("last_row", BigInteger, nullable=False),
    Column("dead_at", DateTime(timezone=True), nullable=False),
    Index("unpublished_letters_rows_idx", "upload_id", "first_row"),
)

# Messages on the request queue that were no requests. The id is made from the message, so a redelivery adds no row.
malformed_messages = Table(
    "malformed_messages",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("reason", Text, nullable=False),
    # The first 64 KiB, made storable.
    Column("body", Text, nullable=False),
    timestamp("dead_at", now=True),
    timestamp("published_at"),
    timestamp("discarded_at"),
    Index("malformed_messages_oldest_idx", "dead_at", "id", postgresql_where=text("discarded_at IS NULL")),
)

# Work on many dead letters that somebody ordered: a redrive or a deletion. Any API process goes on with one that nobody
# has a lease on.
bulk_jobs = Table(
    "bulk_jobs",
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    # What was ordered: the letters of this upload with this code that died in this time, or those of these ids, null
    # for any; the oldest `most` of them. There is no foreign key, because an upload may go before its job.
    Column("upload_id", UUID),
    Column("code", Text),
    Column("dead_from", DateTime(timezone=True)),
    Column("dead_before", DateTime(timezone=True)),
    Column("letter_ids", ARRAY(Text)),
    Column("most", BigInteger),
    # The letters that it takes, those that match beyond `most`, and those that it is done with.
    Column("total", BigInteger, nullable=False),
    Column("left_over", BigInteger, nullable=False),
    count("done"),
    # How far it is, so that another process goes on from there; its form depends on the kind.
    Column("resume_point", JSONB),
    # Grows with each new holder of the lease; whoever writes for a job proves that its number is still the newest.
    count("fence"),
    Column("expires_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # No letter that died later is taken: what is redriven and fails again must not come round.
    timestamp("created_at", now=True),
    timestamp("finished_at"),
    CheckConstraint(one_of("kind", BULK_JOB_KINDS), name="kind_check"),
    CheckConstraint(one_of("state", BULK_JOB_STATES), name="state_check"),
    # One at a time.
    Index(
        "bulk_jobs_unfinished_idx",
        text("(finished_at IS NULL)"),
        unique=True,
        postgresql_where=text("finished_at IS NULL"),
    ),
)

# What somebody corrected of an upload's rejects: one row, or a file of them. Any API process goes on with one that
# nobody has a lease on; to send its rows again does no harm.
corrections = Table(
    "corrections",
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("gen_random_uuid()")),
    # Checked at the commit: to hold a file against the rejects may take longer than consumers wait for the upload's
    # lock.
    Column(
        "upload_id",
        UUID,
        ForeignKey("uploads.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    # The rows of the file that are corrected, and those that it has as they were.
    count("total"),
    count("unchanged"),
    Column("ignored_columns", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    count("fence"),
    Column("expires_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    timestamp("created_at", now=True),
    timestamp("finished_at"),
    CheckConstraint(one_of("state", BULK_JOB_STATES), name="state_check"),
    Index("corrections_upload_idx", "upload_id"),
    Index("corrections_unfinished_idx", "expires_at", postgresql_where=text("finished_at IS NULL")),
)

# A row of a correction: the attempt that it corrects, with which cells, and what became of it; null while it waits. Who
# gives it an outcome locks it, so it gets one.
corrected_rows = Table(
    "corrected_rows",
    metadata,
    Column("correction_id", UUID, ForeignKey("corrections.id", ondelete="CASCADE"), primary_key=True),
    Column("row_number", BigInteger, primary_key=True),
    Column("attempt", Integer),
    Column("cells", JSONB),
    Column("outcome", Text),
    CheckConstraint(one_of("outcome", CORRECTION_OUTCOMES), name="outcome_check"),
)

# A redelivered request for a single employee is answered from here. An outcome is kept for a day.
request_outcomes = Table(
    "request_outcomes",
    metadata,
    Column("correlation_id", UUID, primary_key=True),
    Column("outcome", JSONB, nullable=False),
    timestamp("answered_at", now=True),
    Index("request_outcomes_answered_idx", "answered_at"),
)
