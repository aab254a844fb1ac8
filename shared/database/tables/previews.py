"""Previews: what their consumers found, and what each row of an upload would become."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database.tables.columns import metadata

# One for each time that a preview was asked for. It is over as soon as no upload has its id; a sweep of the producers
# then deletes it and what there is of it.
upload_previews = Table(
    "upload_previews",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
)


def _of_preview() -> Column[int]:
    reference = ForeignKey("upload_previews.id", ondelete="CASCADE")
    return Column("preview_id", BigInteger, reference, primary_key=True, autoincrement=False)


# Its ledger, of the form of `upload_chunks`. Until the preview is settled `inserted` are all rows that are valid.
preview_chunks = Table(
    "preview_chunks",
    metadata,
    _of_preview(),
    Column("first_row", BigInteger, primary_key=True, autoincrement=False),
    Column("row_count", Integer, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("inserted", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("rejected_by", JSONB, nullable=False),
    Column("duplicate_bits", LargeBinary),
    Column("updated_bits", LargeBinary),
    # Rows that repeat the email of another row, and beside each the row that stands; null if there are none.
    Column("repeated_rows", ARRAY(BigInteger)),
    Column("standing_rows", ARRAY(BigInteger)),
    CheckConstraint("row_count = inserted + updated + duplicates + rejected", name="accounted_check"),
)

# Apart from `rejected_rows`, so that they are no dead letters to anybody.
preview_rejects = Table(
    "preview_rejects",
    metadata,
    _of_preview(),
    Column("row_number", BigInteger, primary_key=True, autoincrement=False),
    Column("line_number", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("field", Text),
    Column("message", Text, nullable=False),
    Column("other_faults", JSONB, nullable=False),
    Column("cells", JSONB, nullable=False),
)

# Its valid rows, as COPY brings them: whatever it had to keep up for each row would cost more than the row. A preview's
# rows lie together, so the index finds their blocks.
preview_notes = Table(
    "preview_notes",
    metadata,
    Column("preview_id", BigInteger, nullable=False),
    # Of its chunk.
    Column("first_row", BigInteger, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    # The key of the email.
    Column("email", Text, nullable=False),
    # These three are null unless it depends on who is there whether a row is refused.
    Column("lacks_name", Boolean),
    Column("line_number", BigInteger),
    Column("cells", JSONB),
    # Empty where the row says none; null unless the preview is also to find who has left.
    Column("company_name", Text),
    Index(
        "preview_notes_preview_idx",
        "preview_id",
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on", "pages_per_range": "32"},
    ),
)

# Of a preview that is to find who has left, as `named_emails` and `leavers` are of an upload. Nobody is marked.
preview_names = Table(
    "preview_names",
    metadata,
    _of_preview(),
    Column("first_row", BigInteger, primary_key=True, autoincrement=False),
    Column("emails", ARRAY(Text), nullable=False),
    Column("unreadable_rows", Integer, nullable=False),
)
preview_leavers = Table(
    "preview_leavers",
    metadata,
    _of_preview(),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("employee_id", BigInteger, nullable=False),
)
