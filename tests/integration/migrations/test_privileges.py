"""With each service's own role everything fails that it does not need: every statement on every table is tried."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from migrations.roles.privileges import FUNCTIONS, SERVICES, TABLES, Service
from migrations.roles.roles import role_of
from shared.database.engine import ROW_FAULT_CLASSES
from tests.support.own_roles import make_own_roles, own_roles
from tests.support.processes import ended
from tests.support.servers import CHECKOUT, execute

# What no service may do, whatever the declaration says: written down a second time, in other words.
READERS = {
    # The API for erasures.
    "request_outcomes": {"api", "consumer"},
    "bulk_jobs": {"api"},
    "queues": {"api"},
    "queue_messages": {"api"},
    "queue_subscriptions": {"api"},
}
# Granted so that an erasure can lock who it is about; what an update sets off is refused all the same.
LOCKED_ALONE = ("api", "employees", "UPDATE")
WRITTEN_BY_CONSUMERS_ALONE = {"upload_chunks", "upload_undos", "kept_rows", "named_emails", "email_domains"}
NOBODY = (
    "CREATE TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION pgcrypto",
    "CREATE ROLE mine",
    "ALTER ROLE {owner} PASSWORD 'mine'",
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "SET log_error_verbosity = verbose",
    "ALTER TABLE employees ADD COLUMN mine int",
    "ALTER TABLE employees DISABLE TRIGGER ALL",
    "CREATE TRIGGER mine BEFORE INSERT ON employees FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "DROP TABLE employees",
    "DROP FUNCTION tidy_search_index()",
    "TRUNCATE employees",
    "ALTER TABLE employees OWNER TO CURRENT_USER",
    "UPDATE alembic_version SET version_num = '0001'",
    "COPY employees TO PROGRAM 'cat'",
    "COPY employees FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_authid",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{owner}'",
    "SELECT lo_import('/etc/passwd')",
)


@pytest.fixture
async def roles(database_url: str) -> AsyncIterator[dict[Service, asyncpg.Connection]]:
    """A connection as each service."""
    async with own_roles(database_url) as urls:
        connections = {service: await asyncpg.connect(url) for service, url in urls.items()}
        yield connections
        for connection in connections.values():
            await connection.close()


async def is_refused(connection: asyncpg.Connection, statement: str) -> bool:
    """For lack of a privilege; an error of another kind comes after the check for privileges."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    except asyncpg.PostgresError as error:
        if str(error.sqlstate)[:2] not in ROW_FAULT_CLASSES:
            raise
    finally:
        await transaction.rollback()
    return False


def declared(service: Service, table: str) -> dict[str, set[str] | None]:
    """Each statement that is allowed, with its columns if they are named."""
    found: dict[str, set[str] | None] = {}
    for verb, columns in re.findall(r"([A-Z]+)(?: \(([^)]+)\))?", getattr(TABLES[table], service)):
        found[verb] = {name.strip() for name in columns.split(",")} if columns else None
    return found


def tries(table: str, columns: list[str]) -> Iterator[tuple[str, str | None, str]]:
    yield "INSERT", None, f"INSERT INTO {table} DEFAULT VALUES"
    yield "DELETE", None, f"DELETE FROM {table}"
    yield "TRUNCATE", None, f"TRUNCATE {table}"
    for column in columns:
        yield "SELECT", column, f'SELECT "{column}" FROM {table} LIMIT 1'
        yield "UPDATE", column, f'UPDATE {table} SET "{column}" = DEFAULT'


async def test_every_statement_on_every_table_is_refused_unless_the_service_needs_it(
    database: asyncpg.Connection, roles: dict[Service, asyncpg.Connection]
) -> None:
    columns: dict[str, list[str]] = {}
    for row in await database.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = 'public') ORDER BY 1, ordinal_position"
    ):
        columns.setdefault(row["table_name"], []).append(row["column_name"])
    assert set(columns) == set(TABLES), "name each table in migrations/roles/privileges.py"

    wrong = []
    for service, connection in roles.items():
        for table, names in columns.items():
            allowed = declared(service, table)
            for verb, column, statement in tries(table, names):
                of_columns = allowed.get(verb, set())
                wanted = (of_columns is None or column in of_columns) and (service, table, verb) != LOCKED_ALONE
                if await is_refused(connection, statement) == wanted:
                    wrong.append(f"{service}: {statement} is {'refused' if wanted else 'allowed'}")
    assert wrong == []


async def test_what_would_do_the_most_harm_is_refused(
    database: asyncpg.Connection, roles: dict[Service, asyncpg.Connection]
) -> None:
    owner = await database.fetchval("SELECT current_user")
    harmful = {service: [each.format(owner=owner) for each in NOBODY] for service in SERVICES}
    for table, readers in READERS.items():
        for service in SERVICES:
            if service not in readers:
                harmful[service].append(f"SELECT 1 FROM {table}")
    for table in WRITTEN_BY_CONSUMERS_ALONE:
        for service in ("api", "producer"):
            harmful[service].append(f"INSERT INTO {table} DEFAULT VALUES")
    for service in ("api", "producer"):
        harmful[service].append("INSERT INTO employees DEFAULT VALUES")
        harmful[service].append("UPDATE employees SET email = 'mine'")
    harmful["producer"] += ["DELETE FROM employees", "DELETE FROM uploads", "CREATE TEMPORARY TABLE mine (a int)"]
    harmful["consumer"] += [
        "DELETE FROM uploads",
        "INSERT INTO uploads DEFAULT VALUES",
        "UPDATE uploads SET object_key = ''",
    ]
    for function, services in FUNCTIONS.items():
        for service in SERVICES:
            if service not in services:
                name, _, types = function.removesuffix(")").partition("(")
                nothing = ", ".join(f"NULL::{each}" for each in types.split(", ") if each)
                harmful[service].append(f"SELECT {name}({nothing})")

    allowed = [
        f"{service}: {statement}"
        for service, statements in harmful.items()
        for statement in statements
        if not await is_refused(roles[service], statement)
    ]
    assert allowed == []


async def test_an_upgrade_gives_new_tables_to_the_roles_that_are_there_and_takes_what_is_too_much(
    database_url: str, database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    async with own_roles(database_url) as urls:
        prefix = urls["api"].partition("//")[2].partition("_api:")[0]
        consumer = role_of("consumer", prefix)
        await database.execute(f"GRANT SELECT ON queue_messages TO {consumer}")
        # A second time it is the same roles, with other passwords and without what was given by hand.
        passwords = {service: secrets.token_hex(8) for service in SERVICES}
        await make_own_roles(engine, passwords, prefix)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(urls["consumer"])
        assert not await database.fetchval("SELECT has_table_privilege($1, 'queue_messages', 'SELECT')", consumer)


async def test_the_command_makes_the_roles_and_migrations_keep_their_privileges_up_to_date(
    database_url: str, database: asyncpg.Connection
) -> None:
    owner = {"ROLLCALL_DATABASE_URL": database_url}
    missing = await run("migrations.roles", environment=owner)
    named = "ROLLCALL_API_ROLE_PASSWORD or ROLLCALL_API_ROLE_PASSWORD_FILE"
    assert missing == (1, f"Set {named}: the password that rollcall_api is to have.\n")
    passwords = {f"ROLLCALL_{service.upper()}_ROLE_PASSWORD": secrets.token_hex(8) for service in SERVICES}
    try:
        status, output = await run("migrations.roles", environment={**owner, **passwords})
        assert status == 0, output
        assert not any(password in output for password in passwords.values())
        down, output = await run("alembic", "downgrade", "0023", environment=owner)
        assert down == 0, output
        up, output = await run("alembic", "upgrade", "head", environment=owner)
        assert up == 0, output
        assert await database.fetchval("SELECT has_table_privilege('rollcall_consumer', 'leaver_ranges', 'INSERT')")
        assert not await database.fetchval("SELECT has_table_privilege('rollcall_consumer', 'leaver_ranges', 'DELETE')")
    finally:
        for service in SERVICES:
            await execute(database_url, f"DROP OWNED BY {role_of(service)}")
            await execute(database_url, f"DROP ROLE {role_of(service)}")


async def run(*module: str, environment: dict[str, str]) -> tuple[int, str]:
    """As an operator runs it; its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *module,
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await ended(process)
    assert process.returncode is not None
    return process.returncode, output.decode()
