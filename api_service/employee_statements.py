"""The statements that find a page of employees. Each answers in one round trip, and takes one way through one index.

`$1` is the pattern of a search term where there is one. A row holds what the API shows of an employee, under the names
that it shows them by; beside it, on each row, whatever is known of the whole list. A page without anybody is one row
whose `id` is null.
"""

# ruff: noqa: S608 - what is put together are constants, here and in search_term
from __future__ import annotations

from typing import Final

from api_service.search_term import LOOKED_UP_TRIGRAMS, SearchTerm
from shared.database.tables import SEARCH_TEXT

_COLUMNS: Final = """employees.id, employee_name, company_name, mobile_no, email, uploads.id AS "uploadId",
                   employees.created_at AS "createdAt", employees.updated_at AS "updatedAt\""""
_UPLOADS: Final = "LEFT JOIN uploads ON uploads.sequence = employees.upload_sequence"

# Exact: every transaction that adds or deletes employees keeps it.
_COUNTED: Final = "(SELECT sum(total)::bigint AS total FROM employee_totals) AS counted"

COUNT: Final = f"SELECT total FROM {_COUNTED}"

ONE: Final = f"SELECT {_COLUMNS} FROM employees {_UPLOADS} WHERE employees.id = $1"

# $1: the id to go on after, $2: the limit.
AFTER: Final = f"""
    SELECT counted.total, page.*
    FROM {_COUNTED} LEFT JOIN (
        SELECT {_COLUMNS}
        FROM (SELECT * FROM employees WHERE id > $1 ORDER BY id LIMIT $2) AS employees {_UPLOADS}
    ) AS page ON true
    ORDER BY page.id
"""

# $1: the offset, $2: the limit. Ids first, so that a far offset counts along the primary key without touching the rows.
AT_OFFSET: Final = f"""
    SELECT counted.total, page.*
    FROM {_COUNTED} LEFT JOIN (
        SELECT {_COLUMNS}
        FROM (SELECT id FROM employees ORDER BY id OFFSET $1 LIMIT $2) AS ids JOIN employees USING (id) {_UPLOADS}
    ) AS page ON true
    ORDER BY page.id
"""


# $1: the percentage of the table's blocks to look at.
TRIGRAM_SAMPLE: Final = f"""
    SELECT trigram, count(*)
    FROM (SELECT {SEARCH_TEXT} AS search_text FROM employees TABLESAMPLE SYSTEM ($1)) AS sample,
         unnest(show_trgm(search_text)) AS trigram
    GROUP BY trigram
"""


def explain(term: SearchTerm) -> str:
    """The planner's guess at the number of matches, from its statistics alone; no row is read."""
    return f"EXPLAIN (FORMAT JSON) SELECT FROM employees WHERE {term.condition}"


def rare_matches(term: SearchTerm) -> str:
    """Through the trigram index. `total` counts the matches up to `$2`; those after the id `$3` from the offset `$4`,
    `$5` of them, are the page, which means nothing when the total reached `$2`. `$6` and on are `LOOKED_UP_TRIGRAMS`
    of the term's trigrams, if it has any.
    """
    # Materialized, the search is planned for all of its rows. Planned for the first few it would walk the whole table
    # in the hope to meet them early.
    return f"""
        WITH matches AS MATERIALIZED (SELECT id FROM employees WHERE {_lookup(term)}),
             first_matches AS MATERIALIZED (SELECT id FROM matches LIMIT $2)
        SELECT counted.total, page.*
        FROM (SELECT count(*) AS total FROM first_matches) AS counted LEFT JOIN (
            SELECT {_COLUMNS}
            FROM (SELECT id FROM first_matches WHERE id > $3 ORDER BY id OFFSET $4 LIMIT $5) AS ids
            JOIN employees USING (id) {_UPLOADS}
        ) AS page ON true
        ORDER BY page.id
    """


def _lookup(term: SearchTerm) -> str:
    if not term.trigrams:
        return term.condition
    looked_up = (f"{SEARCH_TEXT} LIKE '%' || ${6 + number}::text || '%'" for number in range(LOOKED_UP_TRIGRAMS))
    # The empty string keeps the condition itself out of the index, which would look up every trigram of it.
    return " AND ".join([*looked_up, term.condition.replace(SEARCH_TEXT, f"({SEARCH_TEXT} || '')")])


def walk(term: SearchTerm) -> str:
    """Along the primary key, for a term whose next match is near: matches among the `$3` employees after the id `$2`,
    from the offset `$4`, `$5` of them.
    """
    return f"""
        SELECT {_COLUMNS}
        FROM (
            SELECT *
            FROM (SELECT * FROM employees WHERE id > $2 ORDER BY id LIMIT $3) AS employees
            WHERE {term.condition}
            ORDER BY id OFFSET $4 LIMIT $5
        ) AS employees {_UPLOADS}
        ORDER BY employees.id
    """


# $1: the id that a walk began after, $2: how many employees it looked at, less one. The last of them and the next.
WALK_END: Final = "SELECT id FROM employees WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 2"
