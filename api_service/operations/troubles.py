"""Names what keeps uploads from being taken or finished, as far as the API can see it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api_service.http.json_model import JsonModel
from api_service.operations.probes import UnfinishedUploads, check_upload_store
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher_block import blocked_text
from shared.amqp.queue_depths import BrokerState
from shared.amqp.topology import DEAD_CHUNKS_QUEUE, REQUESTS_QUEUE
from shared.store_identity import StoreIdentity
from shared.upload_store import StoreFull, StoreUnavailable, UploadStore

Code = Literal[
    "broker_unavailable", "broker_blocked", "no_consumers", "no_producers", "store_full", "store_unavailable"
]


class Trouble(JsonModel):
    """One cause. `code` is stable."""

    code: Code
    detail: str = Field(examples=["RabbitMQ blocks publishers: low on disk"])


async def find_troubles(
    store: UploadStore,
    identity: StoreIdentity,
    broker: BrokerState | BrokerUnavailable,
    unfinished: UnfinishedUploads,
) -> list[Trouble]:
    """The broker as it was asked, or why it did not answer."""
    troubles = await _of_store(store, identity)
    if isinstance(broker, BrokerUnavailable):
        return [*troubles, Trouble(code="broker_unavailable", detail=str(broker))]
    if broker.blocks_publishers is not None:
        troubles.append(Trouble(code="broker_blocked", detail=blocked_text(broker.blocks_publishers)))
    if unfinished.number:
        troubles += _of_services(broker, unfinished)
    return troubles


async def _of_store(store: UploadStore, identity: StoreIdentity) -> list[Trouble]:
    try:
        await check_upload_store(store, identity)
    except StoreFull as error:
        return [Trouble(code="store_full", detail=str(error))]
    except StoreUnavailable as error:
        return [Trouble(code="store_unavailable", detail=str(error))]
    return []


def _of_services(broker: BrokerState, unfinished: UnfinishedUploads) -> list[Trouble]:
    """Every consumer consumes the requests, and every producer the dead chunks."""
    waiting = f"{unfinished.number} unfinished uploads, the oldest for {unfinished.oldest_seconds:.0f} s"
    troubles = []
    if not broker.queues[REQUESTS_QUEUE].consumers:
        troubles.append(Trouble(code="no_consumers", detail=f"No consumer_service is connected to RabbitMQ: {waiting}"))
    if not broker.queues[DEAD_CHUNKS_QUEUE].consumers:
        troubles.append(Trouble(code="no_producers", detail=f"No producer_service is connected to RabbitMQ: {waiting}"))
    return troubles
