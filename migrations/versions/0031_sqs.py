"""Queues have attributes, tags and move tasks of the SQS endpoint, and messages the time of their first receive.

No row is rewritten. Services of the version before go on; what they hand out has no such time unless it is received
again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE queues, queue_messages IN ACCESS EXCLUSIVE MODE")
    op.add_column("queues", sa.Column("sqs", sa.JSON()))
    op.add_column("queue_messages", sa.Column("first_received_at", sa.DateTime(timezone=True)))
    op.create_table(
        "sqs_move_tasks",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("target", sa.Text()),
        sa.Column("rate", sa.Integer()),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("to_move", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'RUNNING'"), nullable=False),
        sa.Column("failure", sa.Text()),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint(
            "state IN ('RUNNING', 'COMPLETED', 'CANCELLED', 'FAILED')", name=op.f("sqs_move_tasks_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sqs_move_tasks_pkey")),
    )
    op.create_index(
        "sqs_move_tasks_running_idx",
        "sqs_move_tasks",
        ["queue_id"],
        unique=True,
        postgresql_where=sa.text("state = 'RUNNING'"),
    )


def downgrade() -> None:
    op.execute("LOCK TABLE queues, queue_messages IN ACCESS EXCLUSIVE MODE")
    op.drop_table("sqs_move_tasks")
    op.drop_column("queue_messages", "first_received_at")
    op.drop_column("queues", "sqs")
