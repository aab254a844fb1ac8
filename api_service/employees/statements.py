"""The statements that find a page of employees. Each answers in one round trip, by way of indexes.

`$1` is the pattern of a search term where there is one. A row holds what the API shows of an employee, under the names
that it shows them by; beside it, on each row, whatever is known of the whole list. A page without anybody is one row
whose `id` is null. Who has left is left out, unless a statement is made `with_left`.
"""

# ruff: noqa: S608 - what is put together are constants, here and in search_term
from __future__ import annotations

from typing import Final

from api_service.employees.search_term import LOOKED_UP_TRIGRAMS, LookupPart, SearchTerm
from shared.database.tables import EMAIL_DOMAIN, NAME_AND_LOCAL_PART
from shared.rows.fields import FIELD_NAMES

_COLUMNS: Final = f"""employees.id, {", ".join(FIELD_NAMES)}, uploads.id AS "uploadId",
                   employees.created_at AS "createdAt", employees.updated_at AS "updatedAt",
                   employees.left_at AS "leftAt\""""
_UPLOADS: Final = "LEFT JOIN uploads ON uploads.sequence = employees.upload_sequence"

# Exact: every transaction that adds or deletes employees keeps it, and triggers keep the number of those who left.
_COUNTED: Final = "(SELECT sum(total - left_total)::bigint AS total FROM employee_totals) AS counted"
_COUNTED_WITH_LEFT: Final = "(SELECT sum(total)::bigint AS total FROM employee_totals) AS counted"
_NOBODY_LEFT: Final = "(SELECT sum(left_total) = 0 FROM employee_totals)"

COUNT: Final = f"SELECT total FROM {_COUNTED_WITH_LEFT}"

ONE: Final = f"SELECT {_COLUMNS} FROM employees {_UPLOADS} WHERE employees.id = $1"


def after(*, with_left: bool = False) -> str:
    """`$1`: the id to go on after, `$2`: the limit."""
    return f"""
        SELECT counted.total, page.*
        FROM {_counted(with_left)} LEFT JOIN (
            SELECT {_COLUMNS}
            FROM (
                SELECT * FROM employees WHERE id > $1{_is_there(with_left)} ORDER BY id LIMIT $2
            ) AS employees {_UPLOADS}
        ) AS page ON true
        ORDER BY page.id
    """


def at_offset(*, with_left: bool = False) -> str:
    """`$1`: the offset, `$2`: the limit. Ids first, so that a far offset counts along the primary key without touching
    the rows, as long as nobody has left: the half whose limit is 0 is never begun.
    """
    ids = "SELECT id FROM employees ORDER BY id OFFSET $1 LIMIT $2"
    if not with_left:
        ids = f"""
            (SELECT id FROM employees ORDER BY id
             OFFSET $1 LIMIT CASE WHEN {_NOBODY_LEFT} THEN $2 ELSE 0 END)
            UNION ALL
            (SELECT id FROM employees WHERE left_at IS NULL ORDER BY id
             OFFSET $1 LIMIT CASE WHEN {_NOBODY_LEFT} THEN 0 ELSE $2 END)
        """
    return f"""
        SELECT counted.total, page.*
        FROM {_counted(with_left)} LEFT JOIN (
            SELECT {_COLUMNS} FROM ({ids}) AS ids JOIN employees USING (id) {_UPLOADS}
        ) AS page ON true
        ORDER BY page.id
    """


def _counted(with_left: bool) -> str:
    return _COUNTED_WITH_LEFT if with_left else _COUNTED


def _is_there(with_left: bool) -> str:
    return "" if with_left else " AND left_at IS NULL"


SEQUENCE_OF_UPLOAD: Final = "SELECT sequence FROM uploads WHERE id = $1"


def of_upload(term: SearchTerm | None, *, with_left: bool = False) -> str:
    """Those that stand as a row of the upload with the sequence `$1`. `total` counts them; those after the id `$2` from
    the offset `$3`, `$4` of them, are the page. `$5` is the pattern of a term.
    """
    condition = "" if term is None else f" AND {term.condition.replace('$1::text', '$5::text')}"
    condition += _is_there(with_left)
    # Materialized, they are found by their upload. Planned for the first few, the whole table would be walked by id.
    return f"""
        WITH matches AS MATERIALIZED (SELECT id FROM employees WHERE upload_sequence = $1{condition})
        SELECT counted.total, page.*
        FROM (SELECT count(*) AS total FROM matches) AS counted LEFT JOIN (
            SELECT {_COLUMNS}
            FROM (SELECT id FROM matches WHERE id > $2 ORDER BY id OFFSET $3 LIMIT $4) AS ids
            JOIN employees USING (id) {_UPLOADS}
        ) AS page ON true
        ORDER BY page.id
    """


# $1: the percentage of the table's blocks to look at.
TRIGRAM_SAMPLE: Final = f"""
    SELECT trigram, count(*)
    FROM (SELECT {NAME_AND_LOCAL_PART} AS search_text FROM employees TABLESAMPLE SYSTEM ($1)) AS sample,
         unnest(show_trgm(search_text)) AS trigram
    GROUP BY trigram
"""


# The two sides of a term's @.
_LOCAL_PART: Final = "split_part(lower($1::text), '@', 1)"
_DOMAIN: Final = "split_part(lower($1::text), '@', 2)"
# The empty string keeps a test out of the index.
_UNINDEXED: Final = f"({NAME_AND_LOCAL_PART} || '')"


def explain(term: SearchTerm) -> str:
    """The planner's guess at the number of matches, from its statistics alone; no row is read."""
    if term.lookup_part is LookupPart.EITHER:
        condition = f"{term.test.format(NAME_AND_LOCAL_PART)} OR {term.test.format(EMAIL_DOMAIN)}"
    else:
        condition = f"{NAME_AND_LOCAL_PART} LIKE {_LOCAL_PART} || '@' AND {EMAIL_DOMAIN} LIKE {_DOMAIN}"
    return f"EXPLAIN (FORMAT JSON) SELECT FROM employees WHERE {condition}"


def rare_matches(term: SearchTerm, *, with_left: bool = False) -> str:
    """Through the indexes for searches. `total` counts the matches up to `$2`; those after the id `$3` from the offset
    `$4`, `$5` of them, are the page, which means nothing when the total reached `$2`. `$6` and on are
    `LOOKED_UP_TRIGRAMS` of the term's trigrams, if it has any.
    """
    # Materialized, the search is planned for all of its rows. Planned for the first few it would walk the whole table
    # in the hope to meet them early.
    lookups = " UNION ALL ".join(
        f"SELECT id FROM employees WHERE {lookup}{_is_there(with_left)}" for lookup in _lookups(term)
    )
    return f"""
        WITH matches AS MATERIALIZED ({lookups}),
             first_matches AS MATERIALIZED (SELECT id FROM matches LIMIT $2)
        SELECT counted.total, page.*
        FROM (SELECT count(*) AS total FROM first_matches) AS counted LEFT JOIN (
            SELECT {_COLUMNS}
            FROM (SELECT id FROM first_matches WHERE id > $3 ORDER BY id OFFSET $4 LIMIT $5) AS ids
            JOIN employees USING (id) {_UPLOADS}
        ) AS page ON true
        ORDER BY page.id
    """


def _lookups(term: SearchTerm) -> list[str]:
    """Conditions with an index each; a match meets exactly one of them."""
    numbers = range(LOOKED_UP_TRIGRAMS if term.trigrams else 0)
    trigrams = [f"{NAME_AND_LOCAL_PART} LIKE '%' || ${6 + number}::text || '%'" for number in numbers]
    if term.lookup_part is LookupPart.LOCAL_PART:
        local_part = f"{NAME_AND_LOCAL_PART} LIKE {_LOCAL_PART} || '@%'"
        return [" AND ".join([*(trigrams or [local_part]), term.condition])]
    unindexed = term.test.format(_UNINDEXED)
    in_name_or_local_part = (
        [*trigrams, unindexed] if trigrams else [f"({term.indexed_test.format(NAME_AND_LOCAL_PART)})"]
    )
    domain = f"domain LIKE {_DOMAIN}" if term.lookup_part is LookupPart.DOMAIN else term.indexed_test.format("domain")
    in_domain = f"{EMAIL_DOMAIN} = ANY (ARRAY(SELECT domain FROM email_domains WHERE {domain}))"
    return [" AND ".join(in_name_or_local_part), f"{in_domain} AND {term.condition} AND NOT ({unindexed})"]


def walk(term: SearchTerm, *, with_left: bool = False) -> str:
    """Along the primary key, for a term whose next match is near: matches among the `$3` employees after the id `$2`,
    from the offset `$4`, `$5` of them.
    """
    return f"""
        SELECT {_COLUMNS}
        FROM (
            SELECT *
            FROM (SELECT * FROM employees WHERE id > $2 ORDER BY id LIMIT $3) AS employees
            WHERE ({term.condition}){_is_there(with_left)}
            ORDER BY id OFFSET $4 LIMIT $5
        ) AS employees {_UPLOADS}
        ORDER BY employees.id
    """


# $1: the id that a walk began after, $2: how many employees it looked at, less one. The last of them and the next.
WALK_END: Final = "SELECT id FROM employees WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 2"
