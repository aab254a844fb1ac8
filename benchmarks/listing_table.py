"""Fills the employees with invented people, in SQL, so that five million take a minute or two.

Half of the people share a hundred surnames, drawn unevenly; the others' are made of syllables of many languages, so
that most surnames are rare, as real ones are. A third of the emails share one domain.
"""

from __future__ import annotations

from typing import Final

import asyncpg

COMMON_DOMAIN: Final = "postbox"
# So often does the surname of a rare term occur.
RARE_MATCHES: Final = (3, 300)
FILL_SECONDS: Final = 1800

_FIRST_NAMES: Final = (
    "Ada Amara Anders Anjali Astrid Bao Beatriz Bruno Camille Chidi Chloe Dario Deepa Diego Dunja Edith Elif "
    "Emeka Esra Fatima Felix Finn Freya Gita Goran Hana Henrik Ibrahim Ines Ingrid Isak Jana Javier Jonas "
    "Kaito Karim Kavya Klara Lars Leila Liam Lucia Magnus Maja Malik Marta Mei Mila Nadia Niko Noor Olga Omar "
    "Oskar Paula Pedro Priya Quinn Rania Ravi Rosa Ruben Salma Samir Sanna Sofia Sven Tala Tomas Uma Viktor "
    "Vera Wanda Wei Ximena Yara Yusuf Zara Zeno"
)
_SURNAMES: Final = (
    "Garcia Smith Nguyen Kim Mueller Silva Kumar Andersson Chen Ivanov Haddad Tanaka Okafor Rossi Novak Yilmaz Khan "
    "Fernandez Johansson Dubois Petrov Mensah Larsen Cohen Romero Nakamura Schmidt Diallo Kaya Murphy Hernandez Patel "
    "Kowalski Jensen Moreau Abdi Walker Becker Oliveira Sato Wagner Lopez Horvat Virtanen Costa Demir Eze Fischer "
    "Gonzalez Hansen Ito Jovanovic Karlsson Lindqvist Martin Nilsson Osei Popescu Quispe Ramirez Santos Takahashi "
    "Urban Vargas Weber Xu Yamamoto Zhang Alvarez Bakker Castro Dvorak Eriksson Fonseca Gruber Hoffmann Ilves Janssen"
)
_ONSETS: Final = "b br ch d dr f fr g gr h j k kh kl kr l m n p pr r s sch sh sk st sz t th tr ts v w y z zh"
_VOWELS: Final = "a e i o u ai au ei ie oo ou oe ue y"
_CODAS: Final = "n r l s m ck nd rt ng x tz ll ss th rg mp v k d ff gh st w"

# As real words are: the first ones of the list often, the last ones rarely.
_DRAW: Final = """
    CREATE OR REPLACE FUNCTION pg_temp.draw(words text) RETURNS text VOLATILE LANGUAGE sql AS $$
        SELECT (string_to_array(words, ' '))[1 + floor(power(random(), 2) * cardinality(string_to_array(words, ' ')))]
    $$
"""
_FILL: Final = """
    INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)
    SELECT first || ' ' || initcap(last), initcap(company) || ' Ltd', '+' || (30 + n % 60) || (1000000000 + n),
           lower(first || '.' || last) || n || '@' || CASE WHEN shared THEN $7 ELSE company END || '.example',
           1, n, false
    FROM (
        SELECT n, pg_temp.draw($3) AS first, random() < 0.33 AS shared,
               CASE WHEN random() < 0.5 THEN pg_temp.draw($4)
               ELSE pg_temp.draw($5) || pg_temp.draw($6) || pg_temp.draw($8)
                    || pg_temp.draw($5) || pg_temp.draw($6) || pg_temp.draw($8) END AS last,
               pg_temp.draw($5) || pg_temp.draw($6) || pg_temp.draw($5) || pg_temp.draw($6) AS company
        FROM generate_series($1::bigint, $2::bigint) AS n
    ) AS people
"""


async def fill_employees(connection: asyncpg.Connection, first: int, last: int) -> None:
    """Add the people with these numbers, with the indexes built anew: that is quicker than keeping them."""
    await connection.execute("SET maintenance_work_mem = '1GB'")
    await connection.execute("SELECT setseed(0.5)")
    await connection.execute(_DRAW)
    definitions = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'employees' AND indexname <> 'employees_pkey'"
    )
    for definition in definitions:
        await connection.execute(f"DROP INDEX {definition['indexname']}")
    words = (_FIRST_NAMES, _SURNAMES, _ONSETS, _VOWELS, COMMON_DOMAIN, _CODAS)
    await connection.execute(_FILL, first, last, *words, timeout=FILL_SECONDS)
    for definition in definitions:
        await connection.execute(definition["indexdef"], timeout=FILL_SECONDS)
    await connection.execute("UPDATE employee_totals SET total = $1 WHERE slot = 0", last)
    await connection.execute("VACUUM ANALYZE employees", timeout=FILL_SECONDS)
    await connection.execute("VACUUM ANALYZE employee_totals, email_domains")
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


async def some_people(connection: asyncpg.Connection, count: int) -> list[tuple[str, str]]:
    """Names and emails of different ones, from all over the table."""
    found = await connection.fetch(
        "SELECT employee_name, email FROM employees WHERE id % $1 = 0 ORDER BY id LIMIT $2",
        max(await connection.fetchval("SELECT count(*) FROM employees") // count, 1),
        count,
        timeout=FILL_SECONDS,
    )
    return [(row["employee_name"], row["email"]) for row in found]
