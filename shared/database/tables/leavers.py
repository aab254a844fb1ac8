"""Who has left: whom a file names, whom it lacks, and the ledger of whom that marked."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from shared.database.tables.columns import metadata, timestamp

# Of an upload that marks leavers: the keys of the emails that a chunk's rows name, refused ones too, and how many of
# its rows have none that can be read. They go when the upload ends.
named_emails = Table(
    "named_emails",
    metadata,
    Column("upload_id", UUID, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("first_row", BigInteger, primary_key=True, autoincrement=False),
    Column("emails", ARRAY(Text), nullable=False),
    Column("unreadable_rows", Integer, nullable=False),
)

# Whom an upload marks as left, decided at once, before the first is touched. Then each stands as the row `-number` of
# the upload; who came again meanwhile is taken off.
leavers = Table(
    "leavers",
    metadata,
    Column("upload_id", UUID, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("employee_id", BigInteger, nullable=False),
)

# The ledger of leavers: exactly the ranges of numbers with an entry were marked.
leaver_ranges = Table(
    "leaver_ranges",
    metadata,
    Column("upload_id", UUID, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("first_number", BigInteger, primary_key=True, autoincrement=False),
    Column("last_number", BigInteger, nullable=False),
    Column("deactivated", Integer, nullable=False),
    timestamp("committed_at", now=True),
)
