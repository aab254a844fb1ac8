"""The producer as an application: `uvicorn producer_service.app:create_app --factory` runs its work in the lifespan."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import structlog
from fastapi import Depends, FastAPI

from producer_service import openapi
from producer_service.problems import register_problem_handlers
from producer_service.requester import Requester
from producer_service.requests.routes import request_router
from producer_service.requests.single_requests import SingleRequests
from producer_service.settings import ProducerSettings
from producer_service.uploads.dead_chunks import DeadChunks
from producer_service.uploads.dispatcher import Dispatcher
from shared.access.callers import Need
from shared.access.guard import Guard
from shared.access.route_needs import RouteNeeds
from shared.amqp.queue_depths import require_open_publishing
from shared.amqp.signatures import warn_if_unsigned_are_taken
from shared.database.engine import create_engine
from shared.database.schema_check import require_database, require_schema
from shared.service.allocator import CHUNKS, give_large_blocks_back
from shared.service.api_docs import add_docs_pages
from shared.service.end_tasks import end_tasks
from shared.service.failpoints import Failpoints
from shared.service.garbage_collection import collect_seldom
from shared.service.graceful_exit import end_with_status_0
from shared.service.guide import add_guide
from shared.service.probes import Check, probe_router
from shared.service.query_parameters import refuse_unknown_parameters
from shared.service.telemetry import NO_FASTAPI_TELEMETRY, configure_logging
from shared.upload_store import UploadStore
from shared.version import VERSION

log = structlog.get_logger(__name__)

POOL_SIZE = 8
# Who may use which route.
NEEDS = {
    "GET /livez": Need("nothing"),
    "GET /readyz": Need("nothing"),
    "GET /docs/assets/*": Need("nothing"),
    "GET /guide/*": Need("nothing"),
    "GET /docs": Need("a key"),
    "GET /redoc": Need("a key"),
    "GET /openapi.json": Need("a key"),
    "POST /v1/requests": Need("upload"),
}
DRAIN_SECONDS = 10


def create_app() -> FastAPI:
    settings = ProducerSettings()
    configure_logging("producer_service", settings.log_level)
    give_large_blocks_back(CHUNKS)
    metrics = Need("metrics" if settings.metrics_access == "key" else "nothing")
    needs = RouteNeeds({**NEEDS, "GET /metrics": metrics})
    guard = Guard(settings, needs, database_url=settings.database_url.get_secret_value(), service="rollcall producer")
    engine = create_engine(settings, "rollcall producer", pool_size=POOL_SIZE, pool_timeout_seconds=30)
    requester = Requester(settings)
    store = UploadStore(settings.upload_store_url)
    dispatcher = Dispatcher(engine, store, requester, settings, Failpoints(settings.failpoints))
    dead_chunks = DeadChunks(engine, settings)
    singles = SingleRequests(requester, timeout_seconds=settings.request_timeout_seconds)
    subscriptions = (requester.replies, dispatcher.announcements, dead_chunks.subscription)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await require_schema(engine)
        warn_if_unsigned_are_taken(settings)
        await guard.open(app)
        collect_seldom()
        consuming = [asyncio.create_task(subscription.run()) for subscription in subscriptions]
        rounds = [
            asyncio.create_task(dispatcher.sweep(), name="sweep"),
            asyncio.create_task(dispatcher.keep_windows_fitting(), name="send windows"),
        ]
        yield
        for task in rounds:
            task.cancel()
        dispatcher.announcements.stop()
        await dispatcher.stop()
        for subscription in subscriptions:
            subscription.stop()
        await asyncio.wait(consuming, timeout=DRAIN_SECONDS)
        await end_tasks([*rounds, *consuming])
        await asyncio.gather(requester.close(), dead_chunks.close(), guard.close())
        await engine.dispose()
        log.info("stopped")
        end_with_status_0()

    async def broker_takes_and_gives() -> None:
        for subscription in subscriptions:
            subscription.require_subscribed()
        await require_open_publishing(settings)

    app = FastAPI(
        title="Rollcall producer",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=NO_FASTAPI_TELEMETRY,
        dependencies=[Depends(refuse_unknown_parameters)],
    )
    guard.stand_before(app)
    register_problem_handlers(app)
    app.include_router(request_router(singles, max_bytes=settings.request_max_body_bytes))
    checks: dict[str, Check] = {
        "broker": broker_takes_and_gives,
        "database": partial(require_database, engine),
        "uploadStore": dispatcher.store_identity.require,
    }
    app.include_router(probe_router(checks))
    add_docs_pages(app)
    add_guide(app)
    # FastAPI's way to replace its description: https://fastapi.tiangolo.com/how-to/extending-openapi/
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]
    return app
