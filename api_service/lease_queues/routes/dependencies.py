"""Gives routes the lease queues that the application holds open."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from api_service.lease_queues.lease_queues import LeaseQueues


async def _lease_queues(request: Request) -> LeaseQueues:
    return cast("LeaseQueues", request.app.state.lease_queues)


LeaseQueuesDep = Annotated[LeaseQueues, Depends(_lease_queues)]
