"""Where the schema's owner finds the database."""

from __future__ import annotations

import os

from sqlalchemy import URL

from shared.database.engine import with_driver
from shared.service.secret_files import secret_from_file


def owners_url() -> URL:
    """Raises `ValueError`, which says what to set."""
    url = secret_from_file("ROLLCALL_DATABASE_URL") or os.environ.get("ROLLCALL_DATABASE_URL")
    if not url:
        raise ValueError(
            "Set ROLLCALL_DATABASE_URL, for example postgresql://rollcall:password@localhost:5432/rollcall"
        )
    return with_driver(url)
