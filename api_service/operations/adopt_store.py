"""Says that the upload store of ROLLCALL_UPLOAD_STORE_URL is this system's from now on.

`python -m api_service.operations.adopt_store`, with the API's environment, once an operator has put another store in
the place of the old one. Services that run take it at once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.settings import ApiSettings
from shared.database import advisory_locks
from shared.database.engine import DATABASE_ERRORS, create_engine
from shared.database.schema_check import SchemaTooOld, check_schema
from shared.database.tables import uploads
from shared.store_identity import give_id, remember_id, stored_id
from shared.upload_store import StoreFull, StoreUnavailable, UploadStore


class Outcome(NamedTuple):
    """`is_adopted` is false when files of unfinished uploads are missing, and nobody said that this is known."""

    unfinished: int
    without_file: int
    is_adopted: bool


async def adopt(engine: AsyncEngine, store: UploadStore, *, without_files: bool) -> Outcome:
    """Give the store an id unless it has one, and let the database know it. Raises their errors."""
    async with engine.connect() as connection:
        keys = (await connection.execute(select(uploads.c.object_key).where(uploads.c.finished_at.is_(None)))).scalars()
        unfinished = keys.all()
    missing = [await store.exists(key) for key in unfinished].count(False)
    if missing and not without_files:
        return Outcome(len(unfinished), missing, is_adopted=False)
    async with engine.begin() as connection:
        await connection.execute(select(func.pg_advisory_xact_lock(advisory_locks.UPLOAD_STORE)))
        await remember_id(connection, await stored_id(store) or await give_id(store))
    return Outcome(len(unfinished), missing, is_adopted=True)


async def main(*, without_files: bool) -> str | None:
    """What went wrong, as a sentence; None when all is well."""
    settings = ApiSettings.from_environment()
    engine = create_engine(settings, "rollcall adopt_store", pool_size=1, pool_timeout_seconds=30)
    try:
        async with engine.connect() as connection:
            await check_schema(connection)
        outcome = await adopt(engine, UploadStore(settings.upload_store_url), without_files=without_files)
    except (StoreFull, StoreUnavailable, SchemaTooOld) as error:
        return f"Nothing was changed. {error}"
    except DATABASE_ERRORS as error:
        return f"Nothing was changed: the database does not answer ({type(error).__name__})."
    finally:
        await engine.dispose()
    files = f"{outcome.without_file} of {outcome.unfinished} unfinished uploads have no file in it"
    if not outcome.is_adopted:
        return f"Nothing was changed: {files}, and would end as `file_missing`. If that is known, add --without-files."
    sys.stdout.write(f"The upload store is this system's from now on; {files}.\n")
    return None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m api_service.operations.adopt_store", description=__doc__)
    parser.add_argument("--without-files", action="store_true", help="also if unfinished uploads have no file in it")
    sys.exit(asyncio.run(main(without_files=parser.parse_args().without_files)))
