"""What the API's checks are told on their way. A server that does not answer leaves NaN, or no queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Gauge

if TYPE_CHECKING:
    from shared.amqp.queue_depths import BrokerState

UNKNOWN: Final = float("nan")

QUEUE_MESSAGES = Gauge(
    "rollcall_api_broker_queue_messages", "Messages in a queue of RabbitMQ that wait for a consumer", ["queue"]
)
QUEUE_CONSUMERS = Gauge("rollcall_api_broker_queue_consumers", "Consumers of a queue of RabbitMQ", ["queue"])
UNFINISHED_UPLOADS = Gauge("rollcall_api_unfinished_uploads", "Uploads that are queued, running, cancelling or undoing")
OLDEST_UPLOAD = Gauge(
    "rollcall_api_oldest_unfinished_upload_age_seconds",
    "Since the oldest unfinished upload was accepted, or its undo asked for; 0 without one",
)
STORE_FREE = Gauge(
    "rollcall_api_upload_store_free_bytes", "Room in the upload store's file system; NaN for a bucket, which says none"
)


def set_queues(broker: BrokerState | None) -> None:
    if broker is None:
        QUEUE_MESSAGES.clear()
        QUEUE_CONSUMERS.clear()
        return
    for name, depth in broker.queues.items():
        QUEUE_MESSAGES.labels(name).set(depth.messages)
        QUEUE_CONSUMERS.labels(name).set(depth.consumers)


def set_uploads(unfinished: float, oldest_seconds: float) -> None:
    UNFINISHED_UPLOADS.set(unfinished)
    OLDEST_UPLOAD.set(oldest_seconds)
