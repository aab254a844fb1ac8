"""The domains of all employees' emails, which a search goes by: kept by the database, whoever writes."""

from __future__ import annotations

import asyncpg

from shared.database.tables import EMAIL_DOMAIN
from tests.support.checker import domain_differences
from tests.support.employees import Person, insert_employees
from tests.support.waiting import eventually

ADD = """
    INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)
    SELECT 'Asha', 'Initech', '9876543210', email, 1, 1, true FROM unnest($1::text[]) AS email
"""


async def add(database: asyncpg.Connection, *emails: str) -> None:
    await database.execute(ADD, emails)


async def domains(database: asyncpg.Connection) -> list[str]:
    return [row["domain"] for row in await database.fetch("SELECT domain FROM email_domains ORDER BY domain")]


async def test_domain_is_kept_once_in_lower_case_whoever_brings_it(database: asyncpg.Connection) -> None:
    await insert_employees(database, [Person("Asha", "asha@one.example"), Person("Bo", "bo@ONE.example")])
    await add(database, "cy@One.example", "di@two.example")
    assert await domains(database) == ["one.example", "two.example"]

    await database.execute(f"{ADD} ON CONFLICT (lower(email)) DO NOTHING", ["asha@one.example", "ed@three.example"])
    await database.execute(
        f"{ADD} ON CONFLICT (lower(email)) DO UPDATE SET email = excluded.email", ["BO@one.EXAMPLE", "fy@four.example"]
    )
    await database.execute("UPDATE employees SET email = 'cy@five.example' WHERE email = 'cy@One.example'")
    assert await domains(database) == ["five.example", "four.example", "one.example", "three.example", "two.example"]
    assert await domain_differences(database) == []


async def test_rolled_back_employees_leave_no_domain(database: asyncpg.Connection) -> None:
    transaction = database.transaction()
    await transaction.start()
    await add(database, "asha@one.example")
    assert await domains(database) == ["one.example"]
    await transaction.rollback()
    assert await domains(database) == []


async def test_domain_is_kept_without_a_search_path(database: asyncpg.Connection) -> None:
    """As a dump's data is restored."""
    await database.execute("SET search_path = ''")
    await database.execute(ADD.replace("employees", "public.employees"), ["asha@one.example"])
    await database.execute("RESET search_path")
    assert await domains(database) == ["one.example"]


async def test_two_that_bring_a_domain_at_once_do_not_wait_for_each_other(
    database: asyncpg.Connection, database_url: str
) -> None:
    other = await asyncpg.connect(database_url, server_settings={"lock_timeout": "1s"})
    try:
        async with database.transaction():
            await add(database, "asha@one.example")
            await add(other, "bo@one.example")
    finally:
        await other.close()

    assert await domains(database) == ["one.example", "one.example"]
    await add(database, "cy@one.example")
    assert await domains(database) == ["one.example", "one.example"]


async def test_many_new_domains_are_looked_up_by_the_index(database: asyncpg.Connection) -> None:
    """However few there were when the session first wrote: else a file with a domain a row would take for ever."""
    await add(database, "asha@one.example")
    scans = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'email_domains'"
    count = 5_000
    [before] = await database.fetch(scans)

    await add(database, *(f"asha@{number}.example" for number in range(count)))

    async def all_are_counted() -> bool:
        [after] = await database.fetch(scans)
        assert after["seq_scan"] == before["seq_scan"]
        return bool(after["idx_scan"] >= before["idx_scan"] + count)

    await eventually(all_are_counted, seconds=20)
    assert await database.fetchval("SELECT count(*) FROM email_domains") == count + 1


async def test_expression_of_the_index_is_what_the_triggers_keep(database: asyncpg.Connection) -> None:
    emails = ["a@B.example", "a+b=c@sub.d-e.example", "O'Rae@X9.Co", "!#$%&'*/?^_`{|}~-@z.example"]
    await add(database, *emails)
    indexed = await database.fetch(f"SELECT {EMAIL_DOMAIN} AS domain FROM employees ORDER BY 1")
    assert [row["domain"] for row in indexed] == await domains(database)
