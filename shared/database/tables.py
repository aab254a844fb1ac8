"""The tables, as the queries see them. Alembic owns the schema; a test keeps the two equal."""

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
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from shared.duplicate_mode import DUPLICATE_MODES
from shared.rows.fields import FIELDS, KEY_NAME
from shared.upload_status import UPLOAD_STATES

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

TOTAL_SLOTS = 64
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


def _search_text(email: str) -> str:
    """All searched fields, as Postgres prints it; the newline, chr(10), keeps a term from matching across two."""
    parts = [f"COALESCE({field.name}, ''::text)" if field.may_be_empty else field.name for field in SEARCHED]
    joined = parts[0]
    for part in parts[1:]:
        joined = f"({joined if joined in parts else f'({joined})'} || chr(10)) || {email if part == KEY_NAME else part}"
    return f"lower({joined})"


SEARCHED = tuple(sorted((field for field in FIELDS if field.is_searched), key=lambda field: field.name == KEY_NAME))
# A search looks at the first of these; the other two are its parts, and have an index each. A query uses an index only
# when it says the very same expression. The email comes last; it is ASCII, so its domain needs no collation.
SEARCH_TEXT = _search_text("email")
NAME_AND_LOCAL_PART = _search_text("\"left\"(email, strpos(email, '@'))")
EMAIL_DOMAIN = "lower(split_part(email, '@', 2) COLLATE \"C\")"


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _timestamp(name: str, *, now: bool = False) -> Column[object]:
    if now:
        return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())
    return Column(name, DateTime(timezone=True))


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


# A row for each file that was answered 202. `sequence` is the order of acceptance. While the upload runs the counts are
# hints, because its producer adds up replies; once it is finished they are the ledger's sums.
uploads = Table(
    "uploads",
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("sequence", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("status", Text, nullable=False, server_default=text("'queued'")),
    Column("on_duplicate", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    # What was sent, if that is no text and the three above are those of the text that was made of it.
    Column("original_key", Text),
    Column("original_bytes", BigInteger),
    Column("original_sha256", Text),
    Column("original_kind", Text),
    # Of a workbook, the one that was read.
    Column("sheet", Text),
    # What the sender said of the file, by the names of the form; null for uploads of before it was kept.
    Column("options", JSONB),
    # Null, both of them, as long as a draft's `problem` leaves them unknown.
    Column("encoding", Text),
    Column("encoding_guessed", Boolean, nullable=False),
    Column("delimiter", Text),
    Column("has_header", Boolean, nullable=False),
    Column("columns", ARRAY(Text), nullable=False),
    # By the name of each field that the file has, the indices of the columns that it is joined from (`upload_layout`).
    Column("field_columns", JSONB, nullable=False),
    Column("chunk_rows", Integer, nullable=False),
    # Of the rules that the file is read and cut by to its end (`shared.rows.csv_format`).
    Column("reader_version", Integer, nullable=False, server_default=text("1")),
    # Whether `\"` stands for a quote in a quoted cell.
    Column("backslash_escapes", Boolean, nullable=False, server_default=text("false")),
    # The physical lines that the header is on, null without one, and that rows are read from; what stands above it.
    Column("header_line", Integer),
    Column("first_row_line", Integer, nullable=False, server_default=text("1")),
    Column("preamble", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # By the name of each field, why its columns were taken for it and which others were not (`upload_layout`).
    Column("column_sources", JSONB, nullable=False, server_default=text("'{}'")),
    # Rejected rows past which it ends. Null for uploads that an API before this column took: they have no such end.
    Column("max_rejects", Integer),
    Column("idempotency_key", Text, unique=True),
    Column("idempotency_fingerprint", Text),
    _count("rows_read"),
    # Rows of empty cells, which are no rows, as far as the file was read.
    _count("blank_rows"),
    _count("rows_done"),
    _count("inserted"),
    _count("updated"),
    _count("duplicates"),
    _count("rejected"),
    Column("rejected_by", JSONB, nullable=False, server_default=text("'{}'")),
    _count("unprocessed"),
    _count("bytes_done"),
    # Grows by one with each change that a viewer can see.
    Column("revision", BigInteger, nullable=False, server_default=text("1")),
    Column("problem", JSONB),
    _timestamp("created_at", now=True),
    # When what was a draft first was started; null for all others, which were accepted when they were made.
    _timestamp("accepted_at"),
    _timestamp("started_at"),
    _timestamp("finished_at"),
    _timestamp("file_deleted_at"),
    # Since when it cannot be undone any more: what it replaced is deleted, or about to be, or was never kept.
    _timestamp("undo_expired_at"),
    _timestamp("undo_requested_at"),
    _timestamp("undone_at"),
    # What an undo made of the employees that it had inserted or updated.
    _count("deleted"),
    _count("restored"),
    _count("kept"),
    CheckConstraint(_one_of("status", UPLOAD_STATES), name="status_check"),
    CheckConstraint(_one_of("on_duplicate", DUPLICATE_MODES), name="on_duplicate_check"),
    Index("uploads_unfinished_idx", "sequence", postgresql_where=text("finished_at IS NULL")),
    Index("uploads_finished_idx", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    Index("uploads_undoing_idx", "sequence", postgresql_where=text("status = 'undoing'")),
)

# One row at most: the id that the system's upload store holds, too.
upload_store = Table(
    "upload_store",
    metadata,
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("id", UUID, nullable=False),
    _timestamp("adopted_at", now=True),
    CheckConstraint("singleton", name="singleton_check"),
)

# A lease says which producer works on an upload. It has a table of its own, so that to renew it never waits for the
# lock that a chunk has on the upload.
upload_leases = Table(
    "upload_leases",
    metadata,
    Column("upload_id", UUID, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", Text, nullable=False),
    # Grows with each new holder; whoever writes for an upload proves that its number is still the newest.
    Column("fence", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    # An earlier holder died, and no chunk was answered since.
    Column("suspected", Boolean, nullable=False, server_default=text("false")),
    # Producers that died while they read nothing but this upload; also one that reads it so just now.
    Column("trial_producers", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # By these, producers up to release 0.2 count deaths; to be dropped once none of them runs beside new ones.
    Column("fruitless", Integer, nullable=False, server_default=text("0")),
    Column("chunks_at_start", BigInteger, nullable=False, server_default=text("0")),
    # Since when the file is not found in the right store; null while it is there.
    _timestamp("file_missing_since"),
)

# The ledger: exactly the chunks with an entry have had their effect.
upload_chunks = Table(
    "upload_chunks",
    metadata,
    Column("upload_id", UUID, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("first_row", BigInteger, primary_key=True),
    Column("row_count", Integer, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("inserted", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("rejected_by", JSONB, nullable=False, server_default=text("'{}'")),
    _timestamp("committed_at", now=True),
    # Which rows became what (`row_notes`), and of how many rows this is told: null by a consumer of release 0.2, and
    # fewer than were not rejected if one redrove some. Null sets are empty.
    Column("noted_rows", Integer),
    Column("duplicate_bits", LargeBinary),
    Column("updated_bits", LargeBinary),
    Column("displaced_rows", ARRAY(BigInteger)),
    Index(
        "upload_chunks_displacing_idx",
        "upload_id",
        "first_row",
        postgresql_where=text("displaced_rows IS NOT NULL"),
    ),
    CheckConstraint("row_count = inserted + updated + duplicates + rejected", name="accounted_check"),
)

# In careful mode a marker says which consumers were at work on a row. There is no foreign key: its check would wait for
# the lock that the same consumer's transaction has on the upload.
row_markers = Table(
    "row_markers",
    metadata,
    Column("upload_id", UUID, primary_key=True),
    Column("row_number", BigInteger, primary_key=True),
    Column("consumers", ARRAY(UUID), nullable=False),
    _timestamp("marked_at", now=True),
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
    _timestamp("discarded_at"),
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
    _timestamp("dead_at", now=True),
    _timestamp("published_at"),
    _timestamp("discarded_at"),
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
    # What was ordered: the letters of this upload with this code, null for any, the oldest `most` of them. There is no
    # foreign key, because an upload may go before its job.
    Column("upload_id", UUID),
    Column("code", Text),
    Column("most", BigInteger),
    # The letters that it takes, those that match beyond `most`, and those that it is done with.
    Column("total", BigInteger, nullable=False),
    Column("left_over", BigInteger, nullable=False),
    _count("done"),
    # How far it is, so that another process goes on from there; its form depends on the kind.
    Column("resume_point", JSONB),
    # Grows with each new holder of the lease; whoever writes for a job proves that its number is still the newest.
    _count("fence"),
    Column("expires_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # No letter that died later is taken: what is redriven and fails again must not come round.
    _timestamp("created_at", now=True),
    _timestamp("finished_at"),
    CheckConstraint(_one_of("kind", BULK_JOB_KINDS), name="kind_check"),
    CheckConstraint(_one_of("state", BULK_JOB_STATES), name="state_check"),
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
    _count("total"),
    _count("unchanged"),
    Column("ignored_columns", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _count("fence"),
    Column("expires_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _timestamp("created_at", now=True),
    _timestamp("finished_at"),
    CheckConstraint(_one_of("state", BULK_JOB_STATES), name="state_check"),
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
    CheckConstraint(_one_of("outcome", CORRECTION_OUTCOMES), name="outcome_check"),
)

# A redelivered request for a single employee is answered from here. An outcome is kept for a day.
request_outcomes = Table(
    "request_outcomes",
    metadata,
    Column("correlation_id", UUID, primary_key=True),
    Column("outcome", JSONB, nullable=False),
    _timestamp("answered_at", now=True),
    Index("request_outcomes_answered_idx", "answered_at"),
)

# `upload_sequence` and `row_number` say which row of which upload an employee stands as; together with `by_update`
# they guard every conflict, so that the order of deliveries cannot show (P4).
employees = Table(
    "employees",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *(Column(field.name, Text, nullable=field.is_nullable) for field in FIELDS),
    Column("upload_sequence", BigInteger, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    # True when an `update` upload wrote it: then only a later `update` replaces it.
    Column("by_update", Boolean, nullable=False),
    # The upload whose row this one's upload replaced; null when that inserted it. And the row of its own upload that
    # this one displaced. Only from PostgreSQL 18 on can RETURNING tell without them.
    Column("replaced_sequence", BigInteger),
    Column("replaced_row", BigInteger),
    # By the name of each field that another row said than the one it stands as, that row's provenance:
    # [by_update, upload_sequence, row_number]. Null where there is none, as after files without optional fields.
    Column("field_provenance", JSONB),
    _timestamp("created_at", now=True),
    _timestamp("updated_at", now=True),
    Index("employees_email_key", text("lower(email)"), unique=True),
    # An upload's rows lie together, as they came. It is small, and costs a row that is written next to nothing.
    Index(
        "employees_upload_idx",
        "upload_sequence",
        "row_number",
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on", "pages_per_range": "32"},
    ),
    Index(
        "employees_search_idx",
        literal_column(NAME_AND_LOCAL_PART).label("search_text"),
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    ),
    Index("employees_domain_idx", text(EMAIL_DOMAIN)),
)

# What an employee was before an upload, the replacing one, wrote it, kept by a trigger on `employees`: the rows of one
# employee are a chain, from what it stands as back to what was inserted (docs/architecture.md, "Undo").
replaced_employees = Table(
    "replaced_employees",
    metadata,
    Column("upload_sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("employee_id", BigInteger, primary_key=True, autoincrement=False),
    # The row of which upload it stood as.
    Column("replaced_sequence", BigInteger, nullable=False),
    Column("replaced_row", BigInteger, nullable=False),
    # All its columns; null once the replacing upload was deleted, when only who replaced whom is known.
    Column("employee", JSONB),
    Index("replaced_employees_replaced_idx", "replaced_sequence", "replaced_row"),
    Index("replaced_employees_forgotten_idx", "replaced_sequence", postgresql_where=text("employee IS NULL")),
)

# The ledger of undos: exactly the ranges of rows with an entry were taken back.
upload_undos = Table(
    "upload_undos",
    metadata,
    Column("upload_id", UUID, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("first_row", BigInteger, primary_key=True, autoincrement=False),
    Column("last_row", BigInteger, nullable=False),
    Column("deleted", Integer, nullable=False),
    Column("restored", Integer, nullable=False),
    Column("kept", Integer, nullable=False),
    _timestamp("committed_at", now=True),
)

# Rows of an undone upload whose employee another upload, of this sequence, had changed since.
kept_rows = Table(
    "kept_rows",
    metadata,
    Column("upload_id", UUID, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("row_number", BigInteger, primary_key=True, autoincrement=False),
    Column("employee_id", BigInteger, nullable=False),
    Column("changed_by", BigInteger, nullable=False),
)

# The domain of every employee's email, kept by triggers on `employees`. A search finds the domains here, and their
# employees by the index. Two transactions that bring a domain at once do not wait for each other, so it may stand here
# twice. It stays when its last employee is deleted.
email_domains = Table(
    "email_domains",
    metadata,
    Column("domain", Text(collation="C"), nullable=False),
    Index("email_domains_domain_idx", "domain"),
    Index(
        "email_domains_search_idx",
        "domain",
        postgresql_using="gin",
        postgresql_ops={"domain": "gin_trgm_ops"},
    ),
)

# The exact number of employees is the sum of the slots. With one slot consumers would wait for each other.
employee_totals = Table(
    "employee_totals",
    metadata,
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("total", BigInteger, nullable=False, server_default=text("0")),
)

# An HTTP queue (`api_service.lease_queues`) and its settings.
queues = Table(
    "queues",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("max_receives", Integer, nullable=False, server_default=text("10")),
    Column("visibility_timeout_seconds", Integer, nullable=False, server_default=text("30")),
    _timestamp("created_at", now=True),
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
    _timestamp("enqueued_at", now=True),
    # Null: in line since it was sent. A time: hidden until then, by a delay or a lease. Infinity: its last lease; once
    # that runs out the message is dead, without anybody writing it down. Nothing ever becomes null again.
    _timestamp("visible_at"),
    # When the latest lease ends or ended; null: never leased, or given back.
    _timestamp("lease_expires_at"),
    # New with each lease, so that a late consumer cannot touch the next one's.
    Column("receipt", UUID),
    Column("receive_count", Integer, nullable=False, server_default=text("0")),
    Column("payload_bytes", Integer, nullable=False),
    Column("consumer_id", Text),
    Column("payload", JSON, nullable=False),
    Index("queue_messages_in_line_idx", "queue_id", "id", postgresql_where=text("visible_at IS NULL")),
    Index("queue_messages_hidden_idx", "queue_id", "visible_at", "id", postgresql_where=text("visible_at IS NOT NULL")),
)
