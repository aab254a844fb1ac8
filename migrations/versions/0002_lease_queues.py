"""Queues with leases over HTTP: two new tables, nothing that is there changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Rows live for seconds, and dead ones slow every claim: vacuum after so many, however large the table is, at full
# speed, its indexes each time (the default leaves them alone while few pages are concerned), and without the exclusive
# lock that giving back the table's end takes.
_VACUUM = """
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
    vacuum_index_cleanup = on, vacuum_truncate = off
"""


def upgrade() -> None:
    op.create_table(
        "queues",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("max_receives", sa.Integer(), server_default=sa.text("10"), nullable=False),
        sa.Column("visibility_timeout_seconds", sa.Integer(), server_default=sa.text("30"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("queues_pkey")),
        sa.UniqueConstraint("name", name=op.f("queues_name_key")),
    )
    op.create_table(
        "queue_messages",
        sa.Column("queue_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("enqueued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("visible_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("receipt", sa.UUID(), nullable=True),
        sa.Column("receive_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("payload_bytes", sa.Integer(), nullable=False),
        sa.Column("consumer_id", sa.Text(), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "id", name=op.f("queue_messages_pkey")),
    )
    op.create_index(
        "queue_messages_in_line_idx",
        "queue_messages",
        ["queue_id", "id"],
        postgresql_where=sa.text("visible_at IS NULL"),
    )
    op.create_index(
        "queue_messages_hidden_idx",
        "queue_messages",
        ["queue_id", "visible_at", "id"],
        postgresql_where=sa.text("visible_at IS NOT NULL"),
    )
    op.execute(f"ALTER TABLE queue_messages SET ({_VACUUM})")


def downgrade() -> None:
    op.drop_table("queue_messages")
    op.drop_table("queues")
