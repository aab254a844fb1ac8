"""The API as an application: what it holds open while it runs, and how its parts are put together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import structlog
from fastapi import Depends, FastAPI

from api_service.access import audit_routes
from api_service.access import routes as key_routes
from api_service.access.audit_layer import AuditLayer
from api_service.access.owners import owner_in
from api_service.dead_letters import routes as dead_letter_routes
from api_service.dead_letters.job_runner import JobRunner
from api_service.dead_letters.lost_letters import keep_letters_complete
from api_service.dead_letters.stale_letters import drop_stale_letters, turn_queue
from api_service.employees import routes as employee_routes
from api_service.employees.listing import EmployeeListing
from api_service.employees.read_pool import ReadPool
from api_service.employees.trigram_shares import TrigramShares
from api_service.erasures import routes as erasure_routes
from api_service.erasures.later_files import LaterFiles
from api_service.erasures.runner import ErasureRunner
from api_service.erasures.work import ErasureWork
from api_service.http import openapi
from api_service.http.memory import ApiMemory
from api_service.http.problem_handlers import register_problem_handlers
from api_service.http.request_log import RequestLog
from api_service.lease_queues.lease_queues import LeaseQueues
from api_service.lease_queues.push.pushes import Pushes
from api_service.lease_queues.routes import messages as message_routes
from api_service.lease_queues.routes import older_clients as older_client_routes
from api_service.lease_queues.routes import queues as queue_routes
from api_service.lease_queues.routes import redrives as redrive_routes
from api_service.lease_queues.routes import single_messages as single_message_routes
from api_service.lease_queues.routes import subscriptions as subscription_routes
from api_service.lease_queues.sqs import routes as sqs_routes
from api_service.lease_queues.sqs.endpoint import SqsEndpoint
from api_service.lease_queues.sqs.signature import secret_of
from api_service.operations import routes as operations_routes
from api_service.operations.retention import run_retention
from api_service.operations.samples import keep_taking_samples
from api_service.route_needs import declared_needs
from api_service.settings import ApiSettings
from api_service.uploads import routes as upload_routes
from api_service.uploads.corrections import routes as correction_routes
from api_service.uploads.corrections.runner import CorrectionRunner
from api_service.uploads.drafts import routes as draft_routes
from api_service.uploads.events import routes as event_routes
from api_service.uploads.events.live_uploads import LiveUploads
from api_service.uploads.previews import routes as preview_routes
from api_service.uploads.queries import DELETE_TIMEOUT_SECONDS
from api_service.uploads.results import routes as result_routes
from api_service.uploads.undo import routes as undo_routes
from api_service.uploads.unpacking.workbooks import Workbooks
from api_service.web import routes as web_routes
from api_service.web.page_route import answer_refusal
from api_service.web.provider_pages import ANSWER_PATH
from shared.access.guard import Guard
from shared.access.route_needs import RouteNeeds
from shared.amqp.publisher import Publisher
from shared.database.engine import create_engine
from shared.database.schema_check import require_schema
from shared.service.allocator import BLOCKS, give_large_blocks_back
from shared.service.api_docs import add_docs_pages
from shared.service.end_tasks import end_tasks
from shared.service.failpoints import Failpoints
from shared.service.garbage_collection import leave_startup_objects_alone
from shared.service.graceful_exit import end_with_status_0
from shared.service.guide import add_guide
from shared.service.query_parameters import refuse_unknown_parameters
from shared.service.request_body import BodyLimits
from shared.service.telemetry import NO_FASTAPI_TELEMETRY, configure_logging
from shared.store_identity import StoreIdentity
from shared.upload_store import UploadStore
from shared.version import VERSION

if TYPE_CHECKING:
    from api_service.access.oidc.provider import Provider

log = structlog.get_logger(__name__)

SERVICE = "api_service"
# Of what the framework reads by itself: orders of a few hundred bytes.
BODY_BYTES = 64 * 1024


def create_app(settings: ApiSettings | None = None) -> FastAPI:
    """For uvicorn's `--factory`. Settings come from the environment unless given; nothing connects yet."""
    settings = settings or ApiSettings.from_environment()
    configure_logging(SERVICE, settings.log_level)
    give_large_blocks_back(BLOCKS)
    needs = RouteNeeds(declared_needs(settings.metrics_access))
    guard = Guard(settings, needs, database_url=settings.database_url.get_secret_value(), service=SERVICE)
    app = FastAPI(
        title="Rollcall",
        summary="Employee CSVs over HTTP, through RabbitMQ, into Postgres: each row accounted for, once.",
        version=VERSION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=NO_FASTAPI_TELEMETRY,
        dependencies=[Depends(refuse_unknown_parameters)],
        routes=[*employee_routes.DIRECT_ROUTES, *message_routes.DIRECT_ROUTES, *sqs_routes.DIRECT_ROUTES],
    )
    app.state.settings = settings
    app.state.failpoints = Failpoints(settings.failpoints)
    app.state.memory = ApiMemory()
    app.state.guard, app.state.keys = guard, guard.keys
    app.state.provider = _provider_of(settings) if settings.has_provider else None
    # Wired here, because keys and lease queues do not know each other.
    server_secret = settings.sqs_secret.get_secret_value()
    app.state.aws_secret_of = partial(secret_of, server_secret) if server_secret else None
    app.add_middleware(
        BodyLimits,
        max_bytes=BODY_BYTES,
        timeout_seconds=settings.body_timeout_seconds,
        own_limits=(upload_routes.INTAKE_PATH, *message_routes.PATHS, *older_client_routes.PATHS),
        own_paths=(correction_routes.FILES_PATH, web_routes.FILES_PATH, sqs_routes.PATHS),
    )
    guard.stand_before(app, owner_of=owner_in(app), answer_page=answer_refusal)
    app.add_middleware(AuditLayer)
    app.add_middleware(RequestLog)
    register_problem_handlers(app)
    for routes in (
        upload_routes,
        event_routes,
        undo_routes,
        draft_routes,
        preview_routes,
        result_routes,
        correction_routes,
        employee_routes,
        dead_letter_routes,
        erasure_routes,
        message_routes,
        queue_routes,
        redrive_routes,
        subscription_routes,
        single_message_routes,
        older_client_routes,
        sqs_routes,
        web_routes,
        operations_routes,
        key_routes,
        audit_routes,
    ):
        app.include_router(routes.router)
    app.include_router(operations_routes.probes(app))
    add_docs_pages(app)
    add_guide(app)
    # FastAPI's way to replace its description: https://fastapi.tiangolo.com/how-to/extending-openapi/
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]
    return app


def _provider_of(settings: ApiSettings) -> Provider:
    # Its packages are many, and most services sign nobody in this way.
    from api_service.access.oidc.provider import Provider

    return Provider(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret.get_secret_value(),
        scopes=settings.oidc_scopes,
        redirect_uri=f"{settings.public_url}{ANSWER_PATH}",
    )


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ApiSettings = app.state.settings
    app.state.engine = engine = create_engine(
        settings,
        SERVICE,
        pool_size=settings.database_pool_size,
        pool_timeout_seconds=settings.database_pool_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        longest_statement_seconds=DELETE_TIMEOUT_SECONDS,
    )
    reads = ReadPool(settings, connections=settings.database_pool_size)
    searches = ReadPool(settings, connections=settings.search_pool_size, longest_line=settings.search_line)
    shares = TrigramShares()
    app.state.employee_listing = EmployeeListing(reads, searches, shares)
    app.state.publisher = Publisher(settings, SERVICE)
    app.state.upload_store = store = UploadStore(settings.upload_store_url)
    app.state.store_identity = StoreIdentity(engine, store, may_be_first=True)
    app.state.workbooks = Workbooks(settings)
    app.state.live_uploads = LiveUploads(engine, settings.database_url.get_secret_value())
    app.state.lease_queues = LeaseQueues(settings)
    app.state.pushes = Pushes(app.state.lease_queues, settings, app.state.failpoints)
    app.state.sqs = SqsEndpoint(app.state.lease_queues, engine, app.state.failpoints)
    app.state.dead_letter_jobs = JobRunner(engine, app.state.publisher, settings, app.state.failpoints)
    # Wired here, because uploads and dead letters do not know each other.
    drop_letters = partial(drop_stale_letters, engine, app.state.publisher, settings)
    app.state.corrections = CorrectionRunner(engine, app.state.publisher, settings, app.state.failpoints, drop_letters)
    work_on = partial(
        ErasureWork,
        engine,
        store,
        app.state.store_identity,
        partial(turn_queue, engine, app.state.publisher, settings),
        app.state.failpoints,
        lease_seconds=settings.job_lease_seconds,
    )
    later_files = LaterFiles(engine, store, app.state.store_identity, settings.erasure_key)
    app.state.erasures = ErasureRunner(engine, settings, work_on, later_files)
    try:
        await require_schema(engine, wait_seconds=settings.startup_timeout_seconds)
        await app.state.guard.open(app)
        retention = asyncio.create_task(run_retention(engine, store, app.state.publisher, settings), name="retention")
        completing = asyncio.create_task(
            keep_letters_complete(engine, app.state.publisher, settings), name="dead letters"
        )
        sampling = asyncio.create_task(shares.keep_sampling(searches), name="trigram sampling")
        watching = asyncio.create_task(keep_taking_samples(engine, settings), name="samples of the system")
        working = asyncio.create_task(app.state.dead_letter_jobs.run(), name="dead letter jobs")
        correcting = asyncio.create_task(app.state.corrections.run(), name="corrections")
        erasing = asyncio.create_task(app.state.erasures.run(), name="erasures")
        app.state.lease_queues.open()
        app.state.sqs.open()
        app.state.pushes.open()
        leave_startup_objects_alone()
        yield
        await end_tasks([retention, completing, sampling, watching, working, correcting, erasing])
    finally:
        await app.state.guard.close()
        await app.state.live_uploads.close()
        await app.state.pushes.close()
        await app.state.sqs.close()
        await app.state.lease_queues.close()
        await app.state.publisher.close()
        await reads.close()
        await searches.close()
        await engine.dispose()
    end_with_status_0()
