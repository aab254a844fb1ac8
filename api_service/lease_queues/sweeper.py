"""Does what no request does: drops what is past its time, moves the dead, goes on with redrives and deletions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import structlog

from api_service.lease_queues.metrics import MESSAGES
from shared.database.engine import DATABASE_ERRORS
from shared.service.telemetry import describe_error

if TYPE_CHECKING:
    from api_service.lease_queues.redrives import Redrives
    from api_service.lease_queues.upkeep import Upkeep

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 5.0
# While somebody waits for what a sweep does.
BUSY_SWEEP_SECONDS: Final = 1.0


async def sweep_for_ever(upkeep: Upkeep, redrives: Redrives, hear: Callable[[Mapping[str, str]], None]) -> None:
    """In every process: two that meet wait for each other's rows, which are then gone.

    `hear` is told which queues have a subscription, each with its version.
    """
    pause = BUSY_SWEEP_SECONDS
    while True:
        await asyncio.sleep(pause)
        try:
            pause = BUSY_SWEEP_SECONDS if await sweep(upkeep, redrives, hear) else SWEEP_SECONDS
        except DATABASE_ERRORS as error:
            log.warning("what is past its time stays in lease queues for now", **describe_error(error))


async def sweep(upkeep: Upkeep, redrives: Redrives, hear: Callable[[Mapping[str, str]], None]) -> bool:
    """Whether there is soon more to do."""
    work = await upkeep.overdue()
    hear(dict(work.subscriptions))
    for queue_id in work.deleted_queues:
        deleted = await upkeep.finish_deletion(queue_id)
        MESSAGES.labels("purged").inc(deleted.changed)
    for queue_id in work.queues_with_retention:
        MESSAGES.labels("expired").inc(await upkeep.drop_old(queue_id))
    if work.has_old_deduplications:
        await upkeep.forget_old_deduplications()
    for queue, target in work.dead_letter_queues:
        await redrives.to_another(queue, target)
    while work.has_redrives and await redrives.take_step():
        pass
    return work.has_redrives or bool(work.dead_letter_queues)
