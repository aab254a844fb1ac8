"""Fills the employees with invented people, in SQL, so that five million take a minute or two.

Surnames are made of syllables and drawn unevenly, as real ones are: a few are everybody's, most are rare. A third of
the emails share one domain.
"""

from __future__ import annotations

from typing import Final

import asyncpg

COMMON_DOMAIN: Final = "postbox"
# So often does the surname of a rare term occur.
RARE_MATCHES: Final = (5, 500)
FILL_SECONDS: Final = 1800

_FIRST_NAMES: Final = (
    "Ada Amara Anders Anjali Astrid Bao Beatriz Bruno Camille Chidi Chloe Dario Deepa Diego Dunja Edith Elif "
    "Emeka Esra Fatima Felix Finn Freya Gita Goran Hana Henrik Ibrahim Ines Ingrid Isak Jana Javier Jonas "
    "Kaito Karim Kavya Klara Lars Leila Liam Lucia Magnus Maja Malik Marta Mei Mila Nadia Niko Noor Olga Omar "
    "Oskar Paula Pedro Priya Quinn Rania Ravi Rosa Ruben Salma Samir Sanna Sofia Sven Tala Tomas Uma Viktor "
    "Vera Wanda Wei Ximena Yara Yusuf Zara Zeno"
)
_SYLLABLES: Final = (
    "ba ber bon cal car chen dal dar den dor el fal fer gar gil gon hal har hol il jan jor kal kar ken kov lan "
    "lar lin lor mac man mar mel min mor na nak ner nor ol os pal par pel pol qui ra ran rei ros ru sal san "
    "sen shi sil son ta tan ter tor tsu ul va van vel vin wal wen wil xi ya yam yev zan zel zor"
)

# Of the number of draws, as many as are wanted come from the start of the list the more often.
_FILL: Final = """
    INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)
    SELECT first || ' ' || initcap(last), initcap(company) || ' Ltd', '+' || (30 + n % 60) || (1000000000 + n),
           lower(first) || '.' || last || n || '@' || domain || '.example', 1, n, false
    FROM (
        SELECT n, firsts[1 + floor(random() * cardinality(firsts))::int] AS first,
               syllables[1 + floor(power(random(), 2) * cardinality(syllables))::int]
               || syllables[1 + floor(power(random(), 2) * cardinality(syllables))::int]
               || syllables[1 + floor(random() * cardinality(syllables))::int] AS last,
               company, CASE WHEN random() < 0.33 THEN $5 ELSE company END AS domain
        FROM (
            SELECT n, string_to_array($1, ' ') AS firsts, syllables,
                   syllables[1 + n * 37 % 71] || syllables[1 + n / 71 * 13 % 71] AS company
            FROM generate_series($3::bigint, $4::bigint) AS n, string_to_array($2, ' ') AS syllables
        ) AS drawn
    ) AS people
"""


async def fill_employees(connection: asyncpg.Connection, first: int, last: int) -> None:
    """Add the people with these numbers, with the indexes built anew: that is quicker than keeping them."""
    await connection.execute("SET maintenance_work_mem = '1GB'")
    await connection.execute("SELECT setseed(0.5)")
    definitions = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'employees' AND indexname <> 'employees_pkey'"
    )
    for definition in definitions:
        await connection.execute(f"DROP INDEX {definition['indexname']}")
    await connection.execute(_FILL, _FIRST_NAMES, _SYLLABLES, first, last, COMMON_DOMAIN, timeout=FILL_SECONDS)
    for definition in definitions:
        await connection.execute(definition["indexdef"], timeout=FILL_SECONDS)
    await connection.execute("UPDATE employee_totals SET total = $1 WHERE slot = 0", last)
    await connection.execute("VACUUM ANALYZE employees", timeout=FILL_SECONDS)
    await connection.execute("VACUUM ANALYZE employee_totals")
    await connection.execute("CHECKPOINT")


async def rare_surnames(connection: asyncpg.Connection, count: int) -> list[str]:
    """Different ones that a few people have."""
    found = await connection.fetch(
        """
        SELECT last FROM (SELECT split_part(employee_name, ' ', 2) AS last FROM employees) AS surnames
        GROUP BY last HAVING count(*) BETWEEN $1 AND $2 ORDER BY md5(last) LIMIT $3
        """,
        *RARE_MATCHES,
        count,
        timeout=FILL_SECONDS,
    )
    return [row["last"] for row in found]
