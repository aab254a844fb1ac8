"""What is said to Postgres to put a restored database into the place of the one of now."""

from __future__ import annotations

from typing import Final

RESTORING: Final = "rollcall_restoring"

MAKE_ROOM: Final = (
    f"DROP DATABASE IF EXISTS {RESTORING} WITH (FORCE)",
    f"CREATE DATABASE {RESTORING} TEMPLATE template0",
)

# No number that was given out after the backup is given out again: a message that is still under way, a receipt or an
# address that somebody noted would be taken for another's.
PASS_OVER_NUMBERS: Final = """
    SELECT setval(format('%I.%I', schemaname, sequencename),
                  least(coalesce(last_value, 1) + CASE data_type WHEN 'bigint'::regtype THEN 1000000 ELSE 10000 END,
                        max_value))
    FROM pg_sequences WHERE schemaname = current_schema()
"""


def take_its_place(database: str, kept_as: str) -> tuple[str, ...]:
    """The database of now is renamed and kept."""
    return (
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('{database}', '{RESTORING}')",
        f"ALTER DATABASE {database} RENAME TO {kept_as}",
        f"ALTER DATABASE {RESTORING} RENAME TO {database}",
    )
