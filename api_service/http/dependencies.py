"""Gives routes by type what the application holds open: engine, publisher, upload store, failpoints and settings.

Each is a coroutine, because FastAPI runs a plain function in a thread, which costs more than most requests do.
"""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.settings import ApiSettings
from shared.access.callers import Caller, caller_in
from shared.amqp.publisher import Publisher
from shared.service.failpoints import Failpoints
from shared.store_identity import StoreIdentity
from shared.upload_store import UploadStore


async def _engine(request: Request) -> AsyncEngine:
    return cast("AsyncEngine", request.app.state.engine)


async def _publisher(request: Request) -> Publisher:
    return cast("Publisher", request.app.state.publisher)


async def _upload_store(request: Request) -> UploadStore:
    return cast("UploadStore", request.app.state.upload_store)


async def _store_identity(request: Request) -> StoreIdentity:
    return cast("StoreIdentity", request.app.state.store_identity)


async def _failpoints(request: Request) -> Failpoints:
    return cast("Failpoints", request.app.state.failpoints)


async def _settings(request: Request) -> ApiSettings:
    return cast("ApiSettings", request.app.state.settings)


async def _caller(request: Request) -> Caller:
    return caller_in(request.scope)


EngineDep = Annotated[AsyncEngine, Depends(_engine)]
PublisherDep = Annotated[Publisher, Depends(_publisher)]
UploadStoreDep = Annotated[UploadStore, Depends(_upload_store)]
StoreIdentityDep = Annotated[StoreIdentity, Depends(_store_identity)]
FailpointsDep = Annotated[Failpoints, Depends(_failpoints)]
SettingsDep = Annotated[ApiSettings, Depends(_settings)]
CallerDep = Annotated[Caller, Depends(_caller)]
