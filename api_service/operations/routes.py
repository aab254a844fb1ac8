"""The API's probes, and /v1/status, which shows the whole system at a glance."""

from functools import partial
from typing import Literal

from fastapi import APIRouter, FastAPI, Request
from pydantic import Field
from sqlalchemy import text

from api_service.http.dependencies import EngineDep, SettingsDep, StoreIdentityDep, UploadStoreDep
from api_service.http.json_model import JsonModel
from api_service.http.problems import DATABASE_PROBLEMS, problem_responses
from api_service.lease_queues.queue_gauges import measure_queues
from api_service.operations import probes as checks
from api_service.operations.retention_due import Retention, read_retention
from api_service.operations.samples import StatusHistory, read_samples
from api_service.operations.troubles import Trouble, find_troubles
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.queue_depths import QUEUES, BrokerState
from shared.service.probes import probe_router
from shared.upload_status import UPLOAD_STATES
from shared.upload_store import StoreUnavailable, UploadStore

router = APIRouter(prefix="/v1", tags=["operations"])

_UPLOADS_BY_STATE = text("SELECT status, count(*) FROM uploads GROUP BY status")
_VERSIONS = text(
    "SELECT current_setting('server_version') AS postgres, (SELECT version_num FROM alembic_version) AS schema,"
    " pg_database_size(current_database()) AS bytes"
)


class QueueStatus(JsonModel):
    """Null, both of them, when no broker answers."""

    messages: int | None = Field(description="Ready to be delivered.")
    consumers: int | None = Field(description="Connected to the queue.")


class DiskStatus(JsonModel):
    """Bytes on disks."""

    store_free_bytes: int | None = Field(
        description="What the upload store's file system has left; null for a bucket, or if it does not answer."
    )
    database_bytes: int = Field(description="What the database takes.")


class Versions(JsonModel):
    """The versions that run."""

    app: str
    schema_revision: str = Field(alias="schema", examples=["0001"])
    postgres: str
    rabbitmq: str | None


class Status(JsonModel):
    """The system at this moment."""

    broker: Literal["available", "unavailable", "blocked"] = Field(
        description="`blocked`: a memory or disk alarm, it takes no messages."
    )
    queues: dict[str, QueueStatus]
    uploads: dict[str, int] = Field(description="How many uploads are in each state.")
    oldest_unfinished_upload_seconds: float = Field(
        description="Since it was accepted, or its undo asked for; 0 if all are finished."
    )
    troubles: list[Trouble] = Field(description="What keeps uploads from being taken or finished; empty if nothing.")
    disk: DiskStatus
    versions: Versions


@router.get(
    "/status",
    summary="Queues, uploads by state, and versions",
    operation_id="getStatus",
    responses=problem_responses(*DATABASE_PROBLEMS),
)
async def get_status(
    request: Request,
    engine: EngineDep,
    store: UploadStoreDep,
    store_identity: StoreIdentityDep,
    settings: SettingsDep,
) -> Status:
    """Answers without a broker, too."""
    unfinished = await checks.read_unfinished_uploads(engine)
    async with engine.connect() as connection:
        by_state = {row.status: row.count for row in await connection.execute(_UPLOADS_BY_STATE)}
        versions = (await connection.execute(_VERSIONS)).one()
    asked: BrokerState | BrokerUnavailable
    try:
        asked = await checks.read_broker(settings)
    except BrokerUnavailable as error:
        asked = error
    broker = None if isinstance(asked, BrokerUnavailable) else asked
    return Status(
        broker="unavailable" if broker is None else "available" if broker.blocks_publishers is None else "blocked",
        queues={
            name: QueueStatus(messages=None, consumers=None)
            if broker is None
            else QueueStatus(messages=broker.queues[name].messages, consumers=broker.queues[name].consumers)
            for name in QUEUES
        },
        uploads={state: by_state.get(state, 0) for state in UPLOAD_STATES},
        oldest_unfinished_upload_seconds=unfinished.oldest_seconds,
        troubles=await find_troubles(store, store_identity, asked, unfinished),
        disk=DiskStatus(store_free_bytes=await _free_bytes(store), database_bytes=versions.bytes),
        versions=Versions(
            app=request.app.version,
            schema_revision=versions.schema,
            postgres=versions.postgres,
            rabbitmq=None if broker is None else broker.version,
        ),
    )


@router.get(
    "/retention",
    summary="What is kept for how long, and what is due to be deleted",
    operation_id="getRetention",
    responses=problem_responses(*DATABASE_PROBLEMS),
)
async def get_retention(engine: EngineDep, settings: SettingsDep) -> Retention:
    """Exact up to 100,000 of a kind."""
    async with engine.connect() as connection:
        return await read_retention(connection, settings)


@router.get(
    "/status/history",
    summary="The last hour: queues and rows a second",
    description="A sample each half minute, whichever API process took it.",
    operation_id="getStatusHistory",
    responses=problem_responses(*DATABASE_PROBLEMS),
)
async def get_status_history(engine: EngineDep) -> StatusHistory:
    return await read_samples(engine)


async def _free_bytes(store: UploadStore) -> int | None:
    try:
        return await store.free_bytes()
    except StoreUnavailable:
        # Which is a trouble, and told as one.
        return None


def probes(app: FastAPI) -> APIRouter:
    """Ready = uploads can be taken: that needs database and the system's own store, and no broker."""

    async def database() -> None:
        await checks.check_database(app.state.engine)

    async def upload_store() -> None:
        await checks.check_upload_store(app.state.upload_store, app.state.store_identity)

    async def lease_queues() -> None:
        await measure_queues(app.state.lease_queues, app.state.settings.queue_metrics)

    return probe_router(
        {"database": database, "uploadStore": upload_store},
        informative={"broker": partial(checks.check_broker, app.state.settings)},
        measures=[lease_queues],
    )
