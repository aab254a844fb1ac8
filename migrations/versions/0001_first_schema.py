"""The first schema: uploads, their leases and ledger, rejected rows, employees."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "employee_totals",
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("slot", name=op.f("employee_totals_pkey")),
    )
    op.create_table(
        "employees",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("employee_name", sa.Text(), nullable=False),
        sa.Column("company_name", sa.Text(), nullable=False),
        sa.Column("mobile_no", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("upload_sequence", sa.BigInteger(), nullable=False),
        sa.Column("row_number", sa.BigInteger(), nullable=False),
        sa.Column("by_update", sa.Boolean(), nullable=False),
        sa.Column("replaced_sequence", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("employees_pkey")),
    )
    op.create_index("employees_email_key", "employees", [sa.literal_column("lower(email)")], unique=True)
    op.create_index(
        "employees_search_idx",
        "employees",
        [sa.literal_column("lower((employee_name || chr(10)) || email)").label("search_text")],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.create_table(
        "malformed_messages",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("dead_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("malformed_messages_pkey")),
    )
    op.create_index(
        "malformed_messages_oldest_idx",
        "malformed_messages",
        ["dead_at", "id"],
        unique=False,
        postgresql_where=sa.text("discarded_at IS NULL"),
    )
    op.create_table(
        "request_outcomes",
        sa.Column("correlation_id", sa.UUID(), nullable=False),
        sa.Column("outcome", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("correlation_id", name=op.f("request_outcomes_pkey")),
    )
    op.create_index("request_outcomes_answered_idx", "request_outcomes", ["answered_at"], unique=False)
    op.create_table(
        "row_markers",
        sa.Column("upload_id", sa.UUID(), nullable=False),
        sa.Column("row_number", sa.BigInteger(), nullable=False),
        sa.Column("consumers", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "row_number", name=op.f("row_markers_pkey")),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("on_duplicate", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("encoding_guessed", sa.Boolean(), nullable=False),
        sa.Column("delimiter", sa.Text(), nullable=False),
        sa.Column("has_header", sa.Boolean(), nullable=False),
        sa.Column("columns", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("field_columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("chunk_rows", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("idempotency_fingerprint", sa.Text(), nullable=True),
        sa.Column("rows_read", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rows_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("inserted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "rejected_by", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("unprocessed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("problem", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("on_duplicate IN ('skip', 'update', 'reject')", name=op.f("uploads_on_duplicate_check")),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'cancelling', 'succeeded', 'partially_succeeded', 'failed', 'cancelled')",
            name=op.f("uploads_status_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("uploads_pkey")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uploads_idempotency_key_key")),
        sa.UniqueConstraint("sequence", name=op.f("uploads_sequence_key")),
    )
    op.create_index(
        "uploads_finished_idx",
        "uploads",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index("uploads_newest_idx", "uploads", [sa.literal_column("sequence DESC")], unique=False)
    op.create_index(
        "uploads_unfinished_idx", "uploads", ["sequence"], unique=False, postgresql_where=sa.text("finished_at IS NULL")
    )
    op.create_table(
        "rejected_rows",
        sa.Column("upload_id", sa.UUID(), nullable=False),
        sa.Column("row_number", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("cells", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("dead_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("rejected_rows_upload_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "row_number", name=op.f("rejected_rows_pkey")),
    )
    op.create_index(
        "rejected_rows_unpublished_idx",
        "rejected_rows",
        ["dead_at"],
        unique=False,
        postgresql_where=sa.text("published_at IS NULL AND discarded_at IS NULL"),
    )
    op.create_index(
        "rejected_rows_oldest_idx",
        "rejected_rows",
        ["dead_at", "upload_id", "row_number"],
        unique=False,
        postgresql_where=sa.text("discarded_at IS NULL"),
    )
    op.create_table(
        "upload_chunks",
        sa.Column("upload_id", sa.UUID(), nullable=False),
        sa.Column("first_row", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("inserted", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column(
            "rejected_by", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("committed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "row_count = inserted + updated + duplicates + rejected", name=op.f("upload_chunks_accounted_check")
        ),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("upload_chunks_upload_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "first_row", name=op.f("upload_chunks_pkey")),
    )
    op.create_table(
        "upload_leases",
        sa.Column("upload_id", sa.UUID(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fruitless", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("chunks_at_start", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name=op.f("upload_leases_upload_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("upload_leases_pkey")),
    )

    op.execute("INSERT INTO employee_totals (slot) SELECT generate_series(0, 63)")


def downgrade() -> None:
    op.drop_table("upload_leases")
    op.drop_table("upload_chunks")
    op.drop_index(
        "rejected_rows_unpublished_idx",
        table_name="rejected_rows",
        postgresql_where=sa.text("published_at IS NULL AND discarded_at IS NULL"),
    )
    op.drop_index(
        "rejected_rows_oldest_idx", table_name="rejected_rows", postgresql_where=sa.text("discarded_at IS NULL")
    )
    op.drop_table("rejected_rows")
    op.drop_index("uploads_unfinished_idx", table_name="uploads", postgresql_where=sa.text("finished_at IS NULL"))
    op.drop_index("uploads_newest_idx", table_name="uploads")
    op.drop_index("uploads_finished_idx", table_name="uploads", postgresql_where=sa.text("finished_at IS NOT NULL"))
    op.drop_table("uploads")
    op.drop_index("request_outcomes_answered_idx", table_name="request_outcomes")
    op.drop_table("request_outcomes")
    op.drop_table("row_markers")
    op.drop_index(
        "malformed_messages_oldest_idx",
        table_name="malformed_messages",
        postgresql_where=sa.text("discarded_at IS NULL"),
    )
    op.drop_table("malformed_messages")
    op.drop_index(
        "employees_search_idx",
        table_name="employees",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.drop_index("employees_email_key", table_name="employees")
    op.drop_table("employees")
    op.drop_table("employee_totals")
    op.execute("DROP EXTENSION pg_trgm")
