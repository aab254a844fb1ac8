"""Makes a role for each service, and gives it the privileges that it needs and no others.

Statements are those of the database's owner, in its transaction, which never commits here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from migrations.roles.privileges import FUNCTIONS, SERVICES, TABLES, TEMPORARY_TABLES
from migrations.roles.scram import scram_verifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from migrations.roles.privileges import Service

DEFAULT_PREFIX: Final = "rollcall"

_TABLES = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = CAST(current_schema() AS regnamespace)"
)
_FUNCTION_EXISTS = text("SELECT to_regprocedure(:name) IS NOT NULL")
_ROLE_EXISTS = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
_IS_SUPERUSER = text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
_USES_TABLES = text("SELECT has_table_privilege(:role, 'alembic_version', 'SELECT')")


def role_of(service: Service, prefix: str = DEFAULT_PREFIX) -> str:
    """Raises `ValueError` for a prefix that is no plain name."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,40}", prefix):
        raise ValueError("the prefix of the roles has to be a name of lower-case letters, digits and underscores")
    return f"{prefix}_{service}"


def make_roles(connection: Connection, passwords: Mapping[Service, str], prefix: str = DEFAULT_PREFIX) -> None:
    """Safe to repeat: a role that is there gets the given password and loses whatever else it may do."""
    is_superuser = connection.execute(_IS_SUPERUSER).scalar_one()
    for service in SERVICES:
        role = role_of(service, prefix)
        verb = "ALTER" if connection.execute(_ROLE_EXISTS, {"role": role}).scalar_one() else "CREATE"
        _run(
            connection,
            f"{verb} ROLE {role} LOGIN INHERIT NOCREATEDB NOCREATEROLE PASSWORD '{scram_verifier(passwords[service])}'",
        )
        if is_superuser:
            _run(connection, f"ALTER ROLE {role} NOSUPERUSER NOREPLICATION NOBYPASSRLS")
            # Else Postgres logs the row behind an error, and no other user may turn that off (P8).
            _run(connection, f"ALTER ROLE {role} SET log_error_verbosity = terse")
            _run(connection, f"ALTER ROLE {role} SET log_parameter_max_length = 0")
        _grant(connection, service, role)


def renew_privileges(connection: Connection, prefix: str = DEFAULT_PREFIX) -> None:
    """After migrations: new tables for roles that are used in this database; nothing where none are."""
    tables = set(connection.execute(_TABLES).scalars())
    if "alembic_version" not in tables:
        return
    for service in SERVICES:
        role = role_of(service, prefix)
        if connection.execute(_ROLE_EXISTS, {"role": role}).scalar_one() and (
            connection.execute(_USES_TABLES, {"role": role}).scalar_one()
        ):
            _grant(connection, service, role)


def _grant(connection: Connection, service: Service, role: str) -> None:
    """In one transaction, so that a service that runs is never without what it needs."""
    database, schema = connection.execute(text("SELECT current_database(), current_schema()")).one()
    database, schema = _quoted(database), _quoted(schema)
    _run(connection, f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}")
    _run(connection, f"REVOKE ALL ON SCHEMA {schema} FROM {role}")
    _run(connection, f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC")
    _run(connection, f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC")
    _run(connection, f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    _run(connection, f"GRANT CONNECT ON DATABASE {database} TO {role}")
    if service in TEMPORARY_TABLES:
        _run(connection, f"GRANT TEMPORARY ON DATABASE {database} TO {role}")
    there = set(connection.execute(_TABLES).scalars())
    for table, statements in TABLES.items():
        allowed: str = getattr(statements, service)
        if allowed and table in there:
            _run(connection, f"GRANT {allowed} ON {schema}.{table} TO {role}")
    for function, services in FUNCTIONS.items():
        if connection.execute(_FUNCTION_EXISTS, {"name": function}).scalar_one():
            _run(connection, f"REVOKE ALL ON FUNCTION {schema}.{function} FROM PUBLIC, {role}")
            if service in services:
                _run(connection, f"GRANT EXECUTE ON FUNCTION {schema}.{function} TO {role}")


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _run(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)
