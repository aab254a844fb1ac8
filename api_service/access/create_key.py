"""Makes a key where no key can be asked for: the first one. `python -m api_service.access.create_key --help`

It needs `ROLLCALL_DATABASE_URL` alone. Whoever can run it can write to the database anyway.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys

from pydantic import SecretStr, ValidationError
from sqlalchemy.exc import ArgumentError

from api_service.access import queries
from api_service.access.documents import NAME_PATTERN
from shared.access.callers import ADMIN, invalid_scopes
from shared.access.tokens import KEY, new_token
from shared.database.engine import create_engine
from shared.database.schema_check import DatabaseUnavailable, SchemaTooOld, require_database
from shared.service.settings import SharedSettings

ANSWER_SECONDS = 10


class CommandSettings(SharedSettings):
    """The command asks the database alone."""

    amqp_url: SecretStr = SecretStr("")


def main() -> None:
    arguments = _parser().parse_args()
    scopes = arguments.scopes or [ADMIN]
    if re.fullmatch(NAME_PATTERN, arguments.name) is None:
        sys.exit("A name begins with a letter or digit and has up to 100 letters, digits, blanks and . _ @ -")
    if wrong := invalid_scopes(scopes):
        sys.exit(f"No such scope: {', '.join(wrong)}. There are read, upload, admin, metrics and queues:<pattern>.")
    try:
        settings = CommandSettings.model_validate({})
        text = asyncio.run(create_key(settings, arguments.name, scopes, only_first=arguments.only_first))
    except (ValidationError, ArgumentError):
        sys.exit("ROLLCALL_DATABASE_URL is not set, or is no address of Postgres: it says where the keys are.")
    except (SchemaTooOld, DatabaseUnavailable) as error:
        sys.exit(str(error))
    if text is not None:
        print(text)  # noqa: T201 - it is what the command is for


async def create_key(settings: SharedSettings, name: str, scopes: list[str], *, only_first: bool) -> str | None:
    """The key's text; None if there is one that may all, and this was to be the first.

    Raises `SchemaTooOld` and `DatabaseUnavailable`.
    """
    engine = create_engine(settings, "rollcall create_key", pool_size=1, pool_timeout_seconds=ANSWER_SECONDS)
    try:
        await require_database(engine)
        async with engine.begin() as connection:
            if only_first and await queries.has_admin(connection):
                return None
            token = new_token(KEY)
            await queries.insert_key(connection, token, name=name, scopes=scopes, created_by=None)
        return token.text
    finally:
        await engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make an API key, and print it: this once, for it is stored nowhere.")
    parser.add_argument("--name", default="admin", help="who it is (default: admin)")
    parser.add_argument(
        "--scope",
        dest="scopes",
        action="append",
        help="what it may: read, upload, queues:<pattern>, metrics, admin; several times for several (default: admin)",
    )
    parser.add_argument("--only-first", action="store_true", help="make none if there is one that may all already")
    return parser


if __name__ == "__main__":
    main()
