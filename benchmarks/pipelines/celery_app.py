"""One row a task with Celery: its defaults, but acknowledged late and with a prefetch of 1."""

from __future__ import annotations

from functools import cache
from typing import Final

import psycopg
from celery import Celery

from benchmarks.pipelines.rows import AMQP_URL, DATABASE_URL, PSYCOPG_INSERT, read_rows

WORKER: Final = "celery --app benchmarks.pipelines.celery_app worker --concurrency 2 --loglevel WARNING"

app = Celery("pipeline", broker=AMQP_URL)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1)


@cache
def connection() -> psycopg.Connection:
    """This process's: workers are forked before the first task."""
    return psycopg.connect(DATABASE_URL, autocommit=True)


@app.task(ignore_result=True)
def insert(name: str, company: str, mobile: str, email: str) -> None:
    connection().execute(PSYCOPG_INSERT, (name, company, mobile, email))


def send_all() -> None:
    for row in read_rows():
        insert.delay(*row)
