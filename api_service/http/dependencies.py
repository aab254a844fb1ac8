"""What routes ask for by type: the engine, listing, publisher, upload store, lease queues, failpoints and settings.

Each is a coroutine: FastAPI runs a plain function in a thread, which costs more than most requests do.
"""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.employees.listing import EmployeeListing
from api_service.lease_queues.lease_queues import LeaseQueues
from api_service.settings import ApiSettings
from shared.amqp.publisher import Publisher
from shared.service.failpoints import Failpoints
from shared.upload_store import UploadStore


async def _engine(request: Request) -> AsyncEngine:
    return cast("AsyncEngine", request.app.state.engine)


async def _employees(request: Request) -> EmployeeListing:
    return cast("EmployeeListing", request.app.state.employees)


async def _publisher(request: Request) -> Publisher:
    return cast("Publisher", request.app.state.publisher)


async def _upload_store(request: Request) -> UploadStore:
    return cast("UploadStore", request.app.state.upload_store)


async def _lease_queues(request: Request) -> LeaseQueues:
    return cast("LeaseQueues", request.app.state.lease_queues)


async def _failpoints(request: Request) -> Failpoints:
    return cast("Failpoints", request.app.state.failpoints)


async def _settings(request: Request) -> ApiSettings:
    return cast("ApiSettings", request.app.state.settings)


Engine = Annotated[AsyncEngine, Depends(_engine)]
Employees = Annotated[EmployeeListing, Depends(_employees)]
Broker = Annotated[Publisher, Depends(_publisher)]
Store = Annotated[UploadStore, Depends(_upload_store)]
Queues = Annotated[LeaseQueues, Depends(_lease_queues)]
Places = Annotated[Failpoints, Depends(_failpoints)]
Settings = Annotated[ApiSettings, Depends(_settings)]
