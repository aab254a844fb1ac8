"""What each service may do with each table: what its statements need, and nothing else.

A table that is not named for a service it cannot even read. `test_privileges.py` tries every statement on every table
with each service's own role, and wants a line here for every new one. Row locks (`FOR KEY SHARE`, `FOR UPDATE`) need
UPDATE; that of consumers on `uploads` and the columns that they change is all that they get there.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Service = Literal["api", "producer", "consumer"]
SERVICES: Final[tuple[Service, ...]] = ("api", "producer", "consumer")


class OnTable(NamedTuple):
    """Statements as `GRANT` names them, in its words."""

    api: str = ""
    producer: str = ""
    consumer: str = ""


_ALL: Final = "SELECT, INSERT, UPDATE, DELETE"
# What a redrive or a correction changes in its upload.
_COUNTS: Final = "SELECT, UPDATE (inserted, updated, duplicates, rejected, rejected_by, deactivated, status, revision)"

TABLES: Final[dict[str, OnTable]] = {
    "alembic_version": OnTable("SELECT", "SELECT", "SELECT"),
    # The file and its way. A consumer of chunks only locks the upload.
    "uploads": OnTable(_ALL, "SELECT, UPDATE", _COUNTS),
    "upload_store": OnTable("SELECT, INSERT, DELETE", "SELECT"),
    "upload_leases": OnTable(_ALL, _ALL),
    "upload_chunks": OnTable("SELECT", "SELECT", "SELECT, INSERT, UPDATE"),
    "row_markers": OnTable("SELECT, DELETE", "SELECT, DELETE", _ALL),
    # Rejects, their letters, and what is done about them.
    "rejected_rows": OnTable("SELECT, UPDATE, DELETE", "SELECT", _ALL),
    "unpublished_letters": OnTable("SELECT, INSERT", "", "SELECT, INSERT, UPDATE, DELETE"),
    "malformed_messages": OnTable("SELECT, UPDATE, DELETE", "SELECT, INSERT, UPDATE", "SELECT, INSERT, UPDATE"),
    "bulk_jobs": OnTable(_ALL),
    "corrections": OnTable(_ALL),
    "corrected_rows": OnTable(_ALL, "", "SELECT, UPDATE"),
    # Employees, and what triggers keep about them with the rights of whoever writes.
    # An erasure locks before it deletes.
    "employees": OnTable("SELECT, UPDATE (id), DELETE", "SELECT", _ALL),
    "employee_totals": OnTable("SELECT, UPDATE", "SELECT", "SELECT, UPDATE"),
    "email_domains": OnTable("SELECT", "", "SELECT, INSERT"),
    "replaced_employees": OnTable(_ALL, "", _ALL),
    "request_outcomes": OnTable("SELECT, DELETE", "", _ALL),
    # Previews, undos, leavers.
    "upload_previews": OnTable("SELECT, INSERT, DELETE", "SELECT, UPDATE, DELETE", ""),
    "preview_chunks": OnTable("SELECT", "SELECT, UPDATE, DELETE", "SELECT, INSERT"),
    "preview_rejects": OnTable("SELECT", "SELECT, INSERT, DELETE", "SELECT, INSERT"),
    "preview_notes": OnTable("SELECT, DELETE", "SELECT, DELETE", "SELECT, INSERT"),
    "preview_names": OnTable("SELECT", "SELECT", "SELECT, INSERT"),
    "preview_leavers": OnTable("SELECT", "SELECT, INSERT"),
    "upload_undos": OnTable("", "SELECT", "SELECT, INSERT"),
    "kept_rows": OnTable("SELECT", "", "SELECT, INSERT"),
    "named_emails": OnTable("", "SELECT, DELETE", "SELECT, INSERT, UPDATE (emails)"),
    "leavers": OnTable("SELECT", "SELECT, INSERT, DELETE", "SELECT, DELETE"),
    "leaver_ranges": OnTable("", "SELECT", "SELECT, INSERT"),
    # Who is let in, and what they did: nobody changes that, the API neither. The producer writes when a key was used.
    "api_keys": OnTable("SELECT, INSERT, UPDATE", "SELECT, UPDATE (last_used_at)"),
    "key_sessions": OnTable("SELECT, INSERT, DELETE", "SELECT"),
    "audit_entries": OnTable("SELECT, INSERT"),
    # Who was erased, by a hash of theirs that consumers have to know.
    "erasures": OnTable("SELECT, INSERT, UPDATE"),
    "suppressions": OnTable("SELECT, INSERT, DELETE", "", "SELECT"),
    "unnamed_objects": OnTable("SELECT, INSERT, DELETE"),
    # Lease queues are the API's alone.
    "queues": OnTable(_ALL),
    "queue_messages": OnTable(_ALL),
    "queue_deduplications": OnTable(_ALL),
    "queue_redrives": OnTable("SELECT, INSERT, UPDATE"),
    # With the secrets that pushes are signed with.
    "queue_subscriptions": OnTable(_ALL),
    "sqs_move_tasks": OnTable("SELECT, INSERT, UPDATE"),
    "deleted_queues": OnTable("SELECT, INSERT, DELETE"),
    # The last hour of the system.
    "system_samples": OnTable("SELECT, INSERT, DELETE"),
}

# Run with their owner's rights: what they do is more than a grant on a table could allow.
FUNCTIONS: Final[dict[str, tuple[Service, ...]]] = {
    "tidy_search_index()": ("producer",),
    "forget_statistics()": ("api",),
    "summarize_employees_by_upload()": ("producer",),
    "purge_audit(interval, integer)": ("api",),
}

# For the rows of before a turn of the dead-letter queue.
TEMPORARY_TABLES: Final[tuple[Service, ...]] = ("api",)
