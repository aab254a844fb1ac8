"""Publishes dead letters while there is room in their queue, so that they take none from the requests beside them.

The limit is kept by those who publish, and is no argument of the queue. A queue's arguments stay as it was declared
with: another limit, or the release before, which knows none, could not declare it any more (406) and would not start.
Publishers that ask at the same time may each pass it by one batch. A policy of an operator's that rejects publishes
(`max-length` with `overflow` `reject-publish`) is heeded too.

What finds no room loses nothing: the tables are the truth, an outbox keeps what is not published, and a sweep tries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.amqp.publisher import QueueFull
from shared.amqp.topology import DEAD_LETTERS_EXCHANGE, DEAD_LETTERS_QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.amqp.publish_many import OutgoingMessage
    from shared.amqp.publisher import Publisher


async def publish_if_room(
    publisher: Publisher, routing_key: str, letters: Iterable[OutgoingMessage], *, count: int
) -> bool:
    """True once the broker has confirmed them all; false when not all had room. Raises `BrokerUnavailable`.

    `count` is that of the letters, which are made one by one as they go out.
    """
    depth = (await publisher.depth(DEAD_LETTERS_QUEUE)).messages
    # Into an empty queue any batch goes, or one that is larger than the limit would never leave.
    if depth > 0 and depth + count > publisher.settings.dead_letters_limit:
        return False
    try:
        await publisher.publish_all(DEAD_LETTERS_EXCHANGE, routing_key, letters)
    except QueueFull:
        return False
    return True
