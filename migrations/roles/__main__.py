"""Makes a database role for each service, with only the privileges that it needs: `python -m migrations.roles`.

It reads ROLLCALL_DATABASE_URL, which names the owner of the schema, and the passwords that the roles rollcall_api,
rollcall_producer and rollcall_consumer are to have, ROLLCALL_API_ROLE_PASSWORD and so on; each may stand in a file that
a variable with _FILE at its end names. Run the migrations first. To be repeated to change passwords.
"""

from __future__ import annotations

import asyncio
import sys

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from migrations.database_url import owners_url
from migrations.given_passwords import given_passwords
from migrations.roles.privileges import SERVICES
from migrations.roles.roles import make_roles, role_of
from shared.database.schema_check import SchemaTooOld, check_schema


async def main() -> str | None:
    """What went wrong, as a sentence; None when all is well."""
    try:
        passwords, url = given_passwords(SERVICES, "ROLLCALL_{}_ROLE_PASSWORD"), owners_url()
    except ValueError as error:
        return str(error)
    engine = create_async_engine(url, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            await check_schema(connection)

            def make(sync: Connection) -> None:
                make_roles(sync, passwords)

            await connection.run_sync(make)
    except (SchemaTooOld, ValueError) as error:
        return f"Nothing was changed. {error}"
    finally:
        await engine.dispose()
    sys.stdout.write(f"The roles {', '.join(map(role_of, SERVICES))} have what their services need.\n")
    return None


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(__doc__)
    sys.exit(asyncio.run(main()))
