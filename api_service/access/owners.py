"""Tells the layer whose an upload is, for callers who may touch their own alone."""

from __future__ import annotations

import uuid

from fastapi import FastAPI

from api_service.access import queries
from shared.access.layer import OwnerOf


def owner_in(app: FastAPI) -> OwnerOf:
    """By the engine that the application holds once it runs."""

    async def owner_of(upload_id: uuid.UUID) -> str | None:
        async with app.state.engine.connect() as connection:
            return await queries.owner_of(connection, upload_id)

    return owner_of
