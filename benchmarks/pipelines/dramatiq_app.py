"""One row a message with Dramatiq: its defaults, which acknowledge late, with a prefetch of 1."""

from __future__ import annotations

import threading
from typing import Final

import dramatiq
import psycopg
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.pipelines.rows import AMQP_URL, DATABASE_URL, PSYCOPG_INSERT, read_rows

WORKER: Final = "dramatiq benchmarks.pipelines.dramatiq_app --processes 2"

dramatiq.set_broker(RabbitmqBroker(url=AMQP_URL))
local = threading.local()


def connection() -> psycopg.Connection:
    """This thread's."""
    if not hasattr(local, "connection"):
        local.connection = psycopg.connect(DATABASE_URL, autocommit=True)
    opened: psycopg.Connection = local.connection
    return opened


@dramatiq.actor
def insert(name: str, company: str, mobile: str, email: str) -> None:
    connection().execute(PSYCOPG_INSERT, (name, company, mobile, email))


def send_all() -> None:
    for row in read_rows():
        insert.send(*row)
