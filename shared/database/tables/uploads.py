"""Uploads: what was sent, who works on it, the ledger of what was done, and of what was taken back."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from shared.database.tables.columns import count, metadata, one_of, timestamp
from shared.duplicate_mode import DUPLICATE_MODES
from shared.upload_status import UPLOAD_STATES

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
    count("rows_read"),
    # Rows of empty cells, which are no rows, as far as the file was read.
    count("blank_rows"),
    count("rows_done"),
    count("inserted"),
    count("updated"),
    count("duplicates"),
    count("rejected"),
    Column("rejected_by", JSONB, nullable=False, server_default=text("'{}'")),
    count("unprocessed"),
    count("bytes_done"),
    # Grows by one with each change that a viewer can see.
    Column("revision", BigInteger, nullable=False, server_default=text("1")),
    Column("problem", JSONB),
    timestamp("created_at", now=True),
    # When what was a draft first was started; null for all others, which were accepted when they were made.
    timestamp("accepted_at"),
    timestamp("started_at"),
    timestamp("finished_at"),
    # What the producer that finished it spent on reading its file; the rest of its time it waited for answers.
    Column("read_seconds", Double),
    timestamp("file_deleted_at"),
    # When it was rewritten without the people whom its rows had named although they were erased before.
    timestamp("people_erased_at"),
    # Since when it cannot be undone any more: what it replaced is deleted, or about to be, or was never kept.
    timestamp("undo_expired_at"),
    timestamp("undo_requested_at"),
    timestamp("undone_at"),
    # The preview that there is of it, under way or done, while it can be started; what it says, and since when it was
    # asked for. What it said stays.
    Column("preview_id", BigInteger),
    Column("preview", JSONB),
    timestamp("preview_requested_at"),
    # What an undo made of the employees that it had inserted or updated.
    count("deleted"),
    count("restored"),
    count("kept"),
    # Whose employees have left if the file does not name them: a company's, or `all`; null: nobody's. And how many
    # may be lacking, or which share. What was found, once it is decided, before the first of them is marked.
    Column("absent_scope", Text),
    Column("absent_at_most", Text),
    Column("absence", JSONB),
    count("deactivated"),
    # The name of the key that it came with; null where authentication was off, or an older release took it.
    Column("uploaded_by", Text),
    CheckConstraint(one_of("status", UPLOAD_STATES), name="status_check"),
    CheckConstraint(one_of("on_duplicate", DUPLICATE_MODES), name="on_duplicate_check"),
    Index("uploads_unfinished_idx", "sequence", postgresql_where=text("finished_at IS NULL")),
    Index("uploads_finished_idx", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    Index("uploads_preview_idx", "preview_id", postgresql_where=text("preview_id IS NOT NULL")),
    Index(
        "uploads_erased_people_idx",
        "id",
        postgresql_where=text("jsonb_exists(rejected_by, 'erased_person') AND people_erased_at IS NULL"),
    ),
    Index("uploads_undoing_idx", "sequence", postgresql_where=text("status = 'undoing'")),
)

# One row at most: the id that the system's upload store holds, too.
upload_store = Table(
    "upload_store",
    metadata,
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("id", UUID, nullable=False),
    timestamp("adopted_at", now=True),
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
    # As producers up to release 0.2.0 see it: what a newer one accepted they never take, for it is infinite.
    Column("expires_at", DateTime(timezone=True), nullable=False),
    # When it runs out in truth. Null: that of a draft never does, and what 0.2.0 accepted has `expires_at`.
    timestamp("runs_out_at"),
    # An earlier holder died, and no chunk was answered since.
    Column("suspected", Boolean, nullable=False, server_default=text("false")),
    # Producers that died while they read nothing but this upload; also one that reads it so just now.
    Column("trial_producers", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # By these, producers up to release 0.2 count deaths; to be dropped once none of them runs beside new ones.
    Column("fruitless", Integer, nullable=False, server_default=text("0")),
    Column("chunks_at_start", BigInteger, nullable=False, server_default=text("0")),
    # Since when the file is not found in the right store; null while it is there.
    timestamp("file_missing_since"),
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
    timestamp("committed_at", now=True),
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
    timestamp("committed_at", now=True),
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
