"""How the system was at times of the last hour."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Table
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.tables.columns import metadata

# Taken by whichever API process is first in each half minute, and deleted after an hour.
system_samples = Table(
    "system_samples",
    metadata,
    Column("taken_at", DateTime(timezone=True), primary_key=True),
    # The sum over all uploads: it falls when one is deleted.
    Column("rows_done", BigInteger, nullable=False),
    # Ready messages by queue; null when the broker did not answer.
    Column("depths", JSONB),
)
