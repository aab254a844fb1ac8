"""The last hour of the system: how deep the queues were and how many rows a second were done, whoever looked meanwhile.

Samples stand in the database, so all API processes take one between them each half minute, and a restart loses none.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from itertools import pairwise
from typing import Final

import structlog
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.json_model import JsonModel
from api_service.operations import probes
from api_service.settings import ApiSettings
from shared.amqp.connection import BrokerUnavailable
from shared.database.engine import DATABASE_ERRORS
from shared.service.telemetry import describe_error

log = structlog.get_logger(__name__)

SECONDS_BETWEEN: Final = 30

_IS_TAKEN: Final = text("""
    SELECT EXISTS (SELECT FROM system_samples WHERE taken_at > now() - make_interval(secs => :seconds))
""")
# Of processes that were at it at once, one is enough.
_INSERT: Final = text("""
    INSERT INTO system_samples (taken_at, rows_done, depths)
    SELECT date_bin(make_interval(secs => :seconds), now(), 'epoch'), coalesce(sum(rows_done), 0),
           CAST(:depths AS jsonb)
    FROM uploads
    ON CONFLICT DO NOTHING
""")
_FORGET: Final = text("DELETE FROM system_samples WHERE taken_at < now() - interval '1 hour'")
_LIST: Final = text("""
    SELECT taken_at, rows_done, CAST(depths AS text) AS depths FROM system_samples
    WHERE taken_at > now() - interval '1 hour' ORDER BY taken_at
""")


class SystemSample(JsonModel):
    """The system at one time."""

    taken_at: datetime
    rows_per_second: float | None = Field(
        description="Since the sample before; null without one, as after a time in which no API ran."
    )
    queues: dict[str, int] | None = Field(description="Ready messages; null when no broker answered.")


class StatusHistory(JsonModel):
    """The last hour, the oldest first."""

    samples: list[SystemSample]


async def keep_taking_samples(engine: AsyncEngine, settings: ApiSettings) -> None:
    """For ever; one that fails is left out."""
    while True:
        await asyncio.sleep(SECONDS_BETWEEN)
        try:
            await take_sample(engine, settings)
        except DATABASE_ERRORS as error:
            log.warning("no sample taken", **describe_error(error))


async def take_sample(engine: AsyncEngine, settings: ApiSettings) -> None:
    """Unless another process has just taken one. Database errors pass through."""
    # A little less than the time between two, so that one's own last does not count as just taken.
    async with engine.connect() as connection:
        if (await connection.execute(_IS_TAKEN, {"seconds": SECONDS_BETWEEN / 2})).scalar_one():
            return
    try:
        broker = await probes.read_broker(settings)
    except BrokerUnavailable:
        depths = None
    else:
        depths = json.dumps({name: queue.messages for name, queue in broker.queues.items()})
    async with engine.begin() as connection:
        await connection.execute(_FORGET)
        await connection.execute(_INSERT, {"seconds": SECONDS_BETWEEN, "depths": depths})


async def read_samples(engine: AsyncEngine) -> StatusHistory:
    async with engine.connect() as connection:
        rows = (await connection.execute(_LIST)).all()
    rates: list[float | None] = [None] if rows else []
    for before, after in pairwise(rows):
        seconds = (after.taken_at - before.taken_at).total_seconds()
        # A deleted upload takes its rows out of the sum.
        rate = max(0, after.rows_done - before.rows_done) / seconds
        rates.append(rate if seconds < 4 * SECONDS_BETWEEN else None)
    return StatusHistory(
        samples=[
            SystemSample(taken_at=row.taken_at, rows_per_second=rate, queues=row.depths and json.loads(row.depths))
            for row, rate in zip(rows, rates, strict=True)
        ]
    )
