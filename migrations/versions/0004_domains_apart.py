"""Domains of emails out of the search index, into a table of their own that triggers keep.

Services of the version before go on until they are replaced, but for searches, which find no index and may take
seconds. Nothing can be written to `employees` meanwhile; consumers wait, and try again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE employees IN SHARE ROW EXCLUSIVE MODE")
    op.create_table("email_domains", sa.Column("domain", sa.Text(collation="C"), nullable=False))
    # One look-up by the index for each domain of a statement's rows, whatever the planner believes of the table's size:
    # a join would read all domains, and so would a scan that was planned while there were none. And the table is found
    # from anywhere: a restored dump of data comes without a search path.
    op.execute("""
        CREATE FUNCTION keep_email_domains() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT SET enable_seqscan = off AS $$
        BEGIN
            INSERT INTO email_domains (domain)
            SELECT domain
            FROM (
                SELECT DISTINCT lower(domain) AS domain
                FROM (SELECT DISTINCT split_part(email, '@', 2) COLLATE "C" AS domain FROM new_employees) AS as_written
            ) AS brought
            WHERE (SELECT true FROM email_domains AS known WHERE known.domain = brought.domain LIMIT 1) IS NULL;
            RETURN NULL;
        END
        $$
    """)
    for event in ("INSERT", "UPDATE"):
        op.execute(f"""
            CREATE TRIGGER employees_{event.lower()}_domains AFTER {event} ON employees
            REFERENCING NEW TABLE AS new_employees FOR EACH STATEMENT EXECUTE FUNCTION keep_email_domains()
        """)
    op.execute("""
        INSERT INTO email_domains (domain)
        SELECT DISTINCT lower(split_part(email, '@', 2) COLLATE "C") FROM employees
    """)
    op.create_index("email_domains_domain_idx", "email_domains", ["domain"])
    op.create_index(
        "email_domains_search_idx",
        "email_domains",
        ["domain"],
        postgresql_using="gin",
        postgresql_ops={"domain": "gin_trgm_ops"},
    )
    op.execute("ANALYZE email_domains")
    op.create_index(
        "employees_domain_idx", "employees", [sa.literal_column("lower(split_part(email, '@', 2) COLLATE \"C\")")]
    )
    _index_for_search("lower((employee_name || chr(10)) || \"left\"(email, strpos(email, '@')))")


def downgrade() -> None:
    op.execute("LOCK TABLE employees IN SHARE ROW EXCLUSIVE MODE")
    _index_for_search("lower((employee_name || chr(10)) || email)")
    op.drop_index("employees_domain_idx", table_name="employees")
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER employees_{event}_domains ON employees")
    op.execute("DROP FUNCTION keep_email_domains()")
    op.drop_table("email_domains")


def _index_for_search(expression: str) -> None:
    """Beside the old one, which only then goes: employees can be read until the last moment."""
    op.create_index(
        "employees_new_search_idx",
        "employees",
        [sa.literal_column(expression).label("search_text")],
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    # The planner estimates a term's matches from statistics of the index's expression.
    op.execute("ANALYZE employees")
    op.drop_index("employees_search_idx", table_name="employees")
    op.execute("ALTER INDEX employees_new_search_idx RENAME TO employees_search_idx")
