"""Locks on employees whose ids are known."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

# Row by row, by primary keys: a range is a small part of tables that change as a whole just now, so that the planner's
# numbers are wrong.
BY_KEYS: Final = text("""
    SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
           set_config('enable_mergejoin', 'off', true)
""")

# In the order in which all writers lock. From then on nobody moves one along its chain.
LOCK_EMPLOYEES: Final = text("""
    SELECT e.id FROM unnest(CAST(:ids AS bigint[])) AS wanted (id) JOIN employees AS e ON e.id = wanted.id
    ORDER BY lower(e.email) COLLATE "C" FOR UPDATE OF e
""")
