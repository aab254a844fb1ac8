"""API keys, the sessions of browsers that signed in with one, and who did what."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Index, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from shared.database.tables.columns import metadata, timestamp

# Of a key only its digest is stored. One that is revoked stays, so that what was done with it keeps its name. A trigger
# tells all services of each change but that of `last_used_at` (`shared.access.key_directory`).
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    # Who it is: keys of one name are one caller, and own the same uploads.
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    timestamp("created_at", now=True),
    # The name of the key that made it; null: the command `create_key`.
    Column("created_by", Text),
    timestamp("expires_at"),
    timestamp("last_used_at"),
    timestamp("revoked_at"),
)

# It may what its key may, for as long as that is good; deleted when somebody signs out.
key_sessions = Table(
    "key_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key_id", Text, ForeignKey("api_keys.id", ondelete="CASCADE"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    timestamp("created_at", now=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("key_sessions_key_idx", "key_id"),
)

# A trigger lets nobody change an entry, and delete none that is younger than 30 days.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    timestamp("at", now=True),
    Column("action", Text, nullable=False),
    # The address of what it was done to; of nobody's data more than an id.
    Column("object", Text, nullable=False),
    # Null, both, where authentication was off.
    Column("caller", Text),
    Column("key_id", Text),
    Column("address", Text),
    Column("status", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("request_id", Text),
)
