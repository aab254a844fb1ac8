"""What /metrics says of each lease queue: counted anew for each scrape, by one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_service.lease_queues import queue_queries
from api_service.lease_queues.metrics import QUEUE_MESSAGES, QUEUE_OLDEST_SECONDS

if TYPE_CHECKING:
    from api_service.lease_queues.lease_queues import LeaseQueues


async def measure_queues(queues: LeaseQueues, limit: int) -> None:
    """Of the first so many queues by name: each is a series, and clients make them up. Database errors pass through."""
    # What cannot be counted is not shown, rather than as it was.
    QUEUE_MESSAGES.clear()
    QUEUE_OLDEST_SECONDS.clear()
    if not limit:
        return
    async with queues.inspecting() as connection:
        found = await queue_queries.list_queues(connection, after="", offset=0, limit=limit)
    for queue in found:
        for state in ("visible", "in_flight", "delayed", "blocked", "dead"):
            QUEUE_MESSAGES.labels(queue.name, state).set(getattr(queue, state))
        if queue.oldest_age_seconds is not None:
            QUEUE_OLDEST_SECONDS.labels(queue.name).set(queue.oldest_age_seconds)
