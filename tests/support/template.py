"""Makes the migrated template database: `python -m tests.support.template SUPERUSER_URL NAME`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from tests.support.servers import CHECKOUT, execute


def main(postgres_url: str, name: str) -> int:
    asyncio.run(execute(postgres_url, f'CREATE DATABASE "{name}" TEMPLATE template0'))
    url = f"{postgres_url.rpartition('/')[0]}/{name}"
    environment = {**os.environ, "ROLLCALL_DATABASE_URL": url}
    upgrade = [sys.executable, "-m", "alembic", "upgrade", "head"]
    status = subprocess.run(upgrade, cwd=CHECKOUT, env=environment).returncode
    if status != 0:
        asyncio.run(execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)'))
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
