"""Gives routes the lease queues and pushes that the application holds open."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from api_service.lease_queues.lease_queues import LeaseQueues
from api_service.lease_queues.push.pushes import Pushes


async def _lease_queues(request: Request) -> LeaseQueues:
    return cast("LeaseQueues", request.app.state.lease_queues)


async def _pushes(request: Request) -> Pushes:
    return cast("Pushes", request.app.state.pushes)


LeaseQueuesDep = Annotated[LeaseQueues, Depends(_lease_queues)]
PushesDep = Annotated[Pushes, Depends(_pushes)]
