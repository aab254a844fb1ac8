"""The tables, as the queries see them. Alembic owns the schema; a test keeps the two equal."""

from shared.database.tables.access import api_keys, audit_entries, key_sessions
from shared.database.tables.columns import metadata
from shared.database.tables.employees import (
    EMAIL_DOMAIN,
    NAME_AND_LOCAL_PART,
    SEARCH_TEXT,
    SEARCHED,
    TOTAL_SLOTS,
    email_domains,
    employee_totals,
    employees,
    replaced_employees,
)
from shared.database.tables.leavers import leaver_ranges, leavers, named_emails
from shared.database.tables.previews import (
    preview_chunks,
    preview_leavers,
    preview_names,
    preview_notes,
    preview_rejects,
    upload_previews,
)
from shared.database.tables.queues import queue_messages, queues
from shared.database.tables.rejects import (
    BULK_JOB_KINDS,
    BULK_JOB_STATES,
    CORRECTION_OUTCOMES,
    bulk_jobs,
    corrected_rows,
    corrections,
    malformed_messages,
    rejected_rows,
    request_outcomes,
    row_markers,
    unpublished_letters,
)
from shared.database.tables.uploads import kept_rows, upload_chunks, upload_leases, upload_store, upload_undos, uploads

__all__ = [
    "BULK_JOB_KINDS",
    "BULK_JOB_STATES",
    "CORRECTION_OUTCOMES",
    "EMAIL_DOMAIN",
    "NAME_AND_LOCAL_PART",
    "SEARCHED",
    "SEARCH_TEXT",
    "TOTAL_SLOTS",
    "api_keys",
    "audit_entries",
    "bulk_jobs",
    "corrected_rows",
    "corrections",
    "email_domains",
    "employee_totals",
    "employees",
    "kept_rows",
    "key_sessions",
    "leaver_ranges",
    "leavers",
    "malformed_messages",
    "metadata",
    "named_emails",
    "preview_chunks",
    "preview_leavers",
    "preview_names",
    "preview_notes",
    "preview_rejects",
    "queue_messages",
    "queues",
    "rejected_rows",
    "replaced_employees",
    "request_outcomes",
    "row_markers",
    "unpublished_letters",
    "upload_chunks",
    "upload_leases",
    "upload_previews",
    "upload_store",
    "upload_undos",
    "uploads",
]
