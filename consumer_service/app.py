"""The consumer as an application: `uvicorn consumer_service.app:create_app --factory` runs its work in the lifespan."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import structlog
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from consumer_service.dead_letters import publish_forgotten_letters
from consumer_service.delivery import Deliveries
from consumer_service.reply_sender import ReplySender
from consumer_service.settings import ConsumerSettings
from consumer_service.single_handler import forget_old_outcomes
from consumer_service.stillstand import end_when_the_loop_stands_still
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher import Publisher
from shared.amqp.queue_depths import require_open_publishing
from shared.amqp.signatures import warn_if_unsigned_are_taken
from shared.database.engine import create_engine
from shared.database.schema_check import require_database, require_schema
from shared.database.server_log import warn_if_it_quotes_rows
from shared.dead_letters.malformed import publish_waiting_malformed
from shared.service.end_tasks import end_tasks
from shared.service.failpoints import Failpoints
from shared.service.garbage_collection import collect_seldom
from shared.service.graceful_exit import end_with_status_0
from shared.service.probes import probe_router
from shared.service.telemetry import NO_FASTAPI_TELEMETRY, configure_logging, describe_error
from shared.version import VERSION

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger(__name__)

# One connection for the transaction, one for careful mode's markers, one for the sweep and the probes.
POOL_SIZE = 3
UNWIND_SECONDS = 2
# An entry of the outbox waits a quarter longer than its age at the most.
SWEEPS_AN_AGE = 4


def create_app() -> FastAPI:
    settings = ConsumerSettings()
    configure_logging("consumer_service", settings.log_level)
    engine = create_engine(settings, "rollcall consumer", pool_size=POOL_SIZE, pool_timeout_seconds=30, ping=False)
    letters = Publisher(settings, "rollcall consumer dead letters")
    # The sweep has its own publisher: both may publish the same letter at once, and one connection cannot tell two
    # messages with one id apart.
    forgotten_letters = Publisher(settings, "rollcall consumer forgotten letters")
    reply_publisher = Publisher(settings, "rollcall consumer replies")
    replies = ReplySender(reply_publisher)
    deliveries = Deliveries(engine, letters, replies, settings, Failpoints(settings.failpoints))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await require_schema(engine)
        await warn_if_it_quotes_rows(engine)
        warn_if_unsigned_are_taken(settings)
        collect_seldom()
        consuming = [
            asyncio.create_task(subscription.run(), name="deliveries") for subscription in deliveries.subscriptions
        ]
        background = [
            asyncio.create_task(replies.run(), name="replies"),
            asyncio.create_task(end_when_the_loop_stands_still(settings.row_timeout_seconds), name="stillstand"),
            asyncio.create_task(_sweep(engine, forgotten_letters, settings.unpublished_after_seconds), name="sweep"),
        ]
        yield
        deliveries.stop()
        await asyncio.wait(consuming, timeout=settings.drain_seconds)
        await deliveries.abandon(seconds=UNWIND_SECONDS)
        await deliveries.close()
        await replies.drain(seconds=2)
        await end_tasks([*consuming, *background])
        await asyncio.gather(letters.close(), forgotten_letters.close(), reply_publisher.close())
        await engine.dispose()
        log.info("stopped")
        end_with_status_0()

    # Probes and metrics alone need no pages that describe them.
    app = FastAPI(
        title="Rollcall consumer",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=NO_FASTAPI_TELEMETRY,
    )
    app.include_router(
        probe_router(
            {"consuming": deliveries.require_consuming, "database": partial(require_database, engine)},
            # It goes on with chunks of which no row is rejected.
            informative={"publishing": partial(require_open_publishing, settings)},
        )
    )
    return app


async def _sweep(engine: AsyncEngine, publisher: Publisher, older_than_seconds: float) -> None:
    while True:
        await asyncio.sleep(older_than_seconds / SWEEPS_AN_AGE)
        try:
            published = await publish_forgotten_letters(engine, publisher, older_than_seconds=older_than_seconds)
            published += await publish_waiting_malformed(engine, publisher, older_than_seconds=older_than_seconds)
            await forget_old_outcomes(engine)
        except (SQLAlchemyError, OSError, BrokerUnavailable) as error:
            log.warning("sweep put off", **describe_error(error))
        else:
            if published:
                log.warning("published letters that had no room or that a crash had left behind", letters=published)
