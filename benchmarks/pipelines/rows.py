"""The four pipelines share this: a row, the statement that inserts it, and where broker, database and file are."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

AMQP_URL: Final = os.environ["PIPELINE_AMQP_URL"]
DATABASE_URL: Final = os.environ["PIPELINE_DATABASE_URL"]

INSERT: Final = """
    INSERT INTO employees (employee_name, company_name, mobile_no, email, upload_sequence, row_number, by_update)
    VALUES ({}, {}, {}, {}, 1, 1, false)
    ON CONFLICT DO NOTHING
"""
PSYCOPG_INSERT: Final = INSERT.format(*["%s"] * 4)
ASYNCPG_INSERT: Final = INSERT.format("$1", "$2", "$3", "$4")


def read_rows() -> Iterator[list[str]]:
    """Of the file, in its order; the four cells that the statement takes, whatever fields come after them."""
    with Path(os.environ["PIPELINE_FILE"]).open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        yield from (row[:4] for row in reader)
