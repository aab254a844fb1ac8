"""The employees, what they were before, and what the search looks at."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database.tables.columns import metadata, timestamp
from shared.rows.fields import FIELDS, KEY_NAME

TOTAL_SLOTS = 64


def _search_text(email: str) -> str:
    """All searched fields, as Postgres prints it; the newline, chr(10), keeps a term from matching across two."""
    parts = [f"COALESCE({field.name}, ''::text)" if field.may_be_empty else field.name for field in SEARCHED]
    joined = parts[0]
    for part in parts[1:]:
        joined = f"({joined if joined in parts else f'({joined})'} || chr(10)) || {email if part == KEY_NAME else part}"
    return f"lower({joined})"


SEARCHED = tuple(sorted((field for field in FIELDS if field.is_searched), key=lambda field: field.name == KEY_NAME))
# A search looks at the first of these; the other two are its parts, and have an index each. A query uses an index only
# when it says the very same expression. The email comes last; it is ASCII, so its domain needs no collation.
SEARCH_TEXT = _search_text("email")
NAME_AND_LOCAL_PART = _search_text("\"left\"(email, strpos(email, '@'))")
EMAIL_DOMAIN = "lower(split_part(email, '@', 2) COLLATE \"C\")"


# `upload_sequence` and `row_number` say which row of which upload an employee stands as; together with `by_update`
# they guard every conflict, so that the order of deliveries cannot show (P4).
employees = Table(
    "employees",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *(Column(field.name, Text, nullable=field.is_nullable) for field in FIELDS),
    Column("upload_sequence", BigInteger, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    # True when an `update` upload wrote it: then only a later `update` replaces it.
    Column("by_update", Boolean, nullable=False),
    # The upload whose row this one's upload replaced; null when that inserted it. And the row of its own upload that
    # this one displaced. Only from PostgreSQL 18 on can RETURNING tell without them.
    Column("replaced_sequence", BigInteger),
    Column("replaced_row", BigInteger),
    # By the name of each field that another row said than the one it stands as, that row's provenance:
    # [by_update, upload_sequence, row_number]. Null where there is none, as after files without optional fields.
    Column("field_provenance", JSONB),
    # Since when no file names it that was to name everybody. Null: it is there.
    timestamp("left_at"),
    timestamp("created_at", now=True),
    timestamp("updated_at", now=True),
    Index("employees_email_key", text("lower(email)"), unique=True),
    # An upload's rows lie together, as they came. It is small, and costs a row that is written next to nothing.
    Index(
        "employees_upload_idx",
        "upload_sequence",
        "row_number",
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on", "pages_per_range": "32"},
    ),
    Index(
        "employees_search_idx",
        literal_column(NAME_AND_LOCAL_PART).label("search_text"),
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    ),
    Index("employees_domain_idx", text(EMAIL_DOMAIN)),
)

# What an employee was before an upload, the replacing one, wrote it, kept by a trigger on `employees`: the rows of one
# employee are a chain, from what it stands as back to what was inserted (docs/architecture.md, "Undo").
replaced_employees = Table(
    "replaced_employees",
    metadata,
    Column("upload_sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("employee_id", BigInteger, primary_key=True, autoincrement=False),
    # The row of which upload it stood as.
    Column("replaced_sequence", BigInteger, nullable=False),
    Column("replaced_row", BigInteger, nullable=False),
    # All its columns; null once the replacing upload was deleted, when only who replaced whom is known.
    Column("employee", JSONB),
    Index("replaced_employees_replaced_idx", "replaced_sequence", "replaced_row"),
    Index("replaced_employees_forgotten_idx", "replaced_sequence", postgresql_where=text("employee IS NULL")),
)

# The domain of every employee's email, kept by triggers on `employees`. A search finds the domains here, and their
# employees by the index. Two transactions that bring a domain at once do not wait for each other, so it may stand here
# twice. It stays when its last employee is deleted.
email_domains = Table(
    "email_domains",
    metadata,
    Column("domain", Text(collation="C"), nullable=False),
    Index("email_domains_domain_idx", "domain"),
    Index(
        "email_domains_search_idx",
        "domain",
        postgresql_using="gin",
        postgresql_ops={"domain": "gin_trgm_ops"},
    ),
)

# The exact number of employees is the sum of the slots, and so is that of those among them who have left, which
# triggers keep. With one slot consumers would wait for each other.
employee_totals = Table(
    "employee_totals",
    metadata,
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("total", BigInteger, nullable=False, server_default=text("0")),
    Column("left_total", BigInteger, nullable=False, server_default=text("0")),
)
