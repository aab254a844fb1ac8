"""The API's probes, and /v1/status, which shows the whole system at a glance."""

from typing import Literal, cast

from fastapi import APIRouter, FastAPI, Request
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.dependencies import EngineDep, SettingsDep
from api_service.http.json_model import JsonModel
from api_service.http.problems import DATABASE_PROBLEMS, problem_responses
from shared.amqp.queue_depths import QUEUES, read_broker_state
from shared.database.schema_check import check_schema
from shared.service.probes import probe_router
from shared.store_identity import StoreIdentity
from shared.upload_status import UPLOAD_STATES

router = APIRouter(prefix="/v1", tags=["operations"])

_UPLOADS_BY_STATE = text("SELECT status, count(*) FROM uploads GROUP BY status")
_VERSIONS = text(
    "SELECT current_setting('server_version') AS postgres, (SELECT version_num FROM alembic_version) AS schema"
)


class QueueStatus(JsonModel):
    """Null, both of them, when no broker answers."""

    messages: int | None = Field(description="Ready to be delivered.")
    consumers: int | None = Field(description="Connected to the queue.")


class Versions(JsonModel):
    """The versions that run."""

    app: str
    schema_revision: str = Field(alias="schema", examples=["0001"])
    postgres: str
    rabbitmq: str | None


class Status(JsonModel):
    """The system at this moment."""

    broker: Literal["available", "unavailable"]
    queues: dict[str, QueueStatus]
    uploads: dict[str, int] = Field(description="How many uploads are in each state.")
    versions: Versions


@router.get(
    "/status",
    summary="Queues, uploads by state, and versions",
    operation_id="getStatus",
    responses=problem_responses(*DATABASE_PROBLEMS),
)
async def get_status(request: Request, engine: EngineDep, settings: SettingsDep) -> Status:
    """Answers without a broker, too."""
    async with engine.connect() as connection:
        by_state = {row.status: row.count for row in await connection.execute(_UPLOADS_BY_STATE)}
        versions = (await connection.execute(_VERSIONS)).one()
    broker = await read_broker_state(settings)
    return Status(
        broker="unavailable" if broker is None else "available",
        queues={
            name: QueueStatus(messages=None, consumers=None)
            if broker is None
            else QueueStatus(messages=broker.queues[name].messages, consumers=broker.queues[name].consumers)
            for name in QUEUES
        },
        uploads={state: by_state.get(state, 0) for state in UPLOAD_STATES},
        versions=Versions(
            app=request.app.version,
            schema_revision=versions.schema,
            postgres=versions.postgres,
            rabbitmq=None if broker is None else broker.version,
        ),
    )


def probes(app: FastAPI) -> APIRouter:
    """Ready = uploads can be taken: that needs database and the system's own store, and no broker."""

    async def database_answers() -> bool:
        async with cast("AsyncEngine", app.state.engine).connect() as connection:
            await check_schema(connection)
        return True

    async def upload_store_answers() -> bool:
        await cast("StoreIdentity", app.state.store_identity).require()
        return True

    async def broker_answers() -> bool:
        return await read_broker_state(app.state.settings) is not None

    return probe_router(
        {"database": database_answers, "uploadStore": upload_store_answers}, informative={"broker": broker_answers}
    )
