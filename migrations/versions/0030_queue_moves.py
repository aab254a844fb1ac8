"""Dead messages of a lease queue can move to another queue, and be redriven slowly: where to, how fast, how far.

No row is rewritten. Services of the version before go on; they move nothing, and show what moved like anything else.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE queues, queue_messages IN ACCESS EXCLUSIVE MODE")
    op.add_column("queues", sa.Column("dead_letter_queue", sa.Text()))
    op.add_column("queue_messages", sa.Column("moved_from", sa.JSON()))
    op.create_index(
        "queue_messages_last_lease_idx",
        "queue_messages",
        ["queue_id", "lease_expires_at", "id"],
        postgresql_where=sa.text("coalesce(visible_at = 'infinity' AND lease_expires_at IS NOT NULL, false)"),
    )
    op.create_table(
        "queue_redrives",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("target", sa.Text()),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("redriven", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'running'"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('running', 'succeeded', 'cancelled')", name=op.f("queue_redrives_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("queue_redrives_pkey")),
    )


def downgrade() -> None:
    op.execute("LOCK TABLE queues, queue_messages IN ACCESS EXCLUSIVE MODE")
    op.drop_table("queue_redrives")
    op.drop_index("queue_messages_last_lease_idx", "queue_messages")
    op.drop_column("queue_messages", "moved_from")
    op.drop_column("queues", "dead_letter_queue")
