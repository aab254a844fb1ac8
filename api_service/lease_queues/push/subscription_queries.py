"""The statements of subscriptions: set, look, remove, and what pushes note about them.

Only `target` reads a secret, and only to sign with it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS: Final = (
    "url, state, delivered, failed, last_status, last_error, last_attempt_at, failing_since, created_at, changed_at"
)

# What was counted stays; what was wrong is forgotten, because it is another endpoint now.
_SUBSCRIBE = text(f"""
    INSERT INTO queue_subscriptions AS subscription (queue_id, url, secret)
    SELECT id, CAST(:url AS text), CAST(:secret AS text) FROM queues
    WHERE name = :queue
      AND (SELECT count(*) FROM queue_subscriptions WHERE queue_id <> queues.id) < CAST(:at_most AS int)
    ON CONFLICT (queue_id) DO UPDATE
    SET url = excluded.url, secret = excluded.secret, state = 'active', last_status = NULL, last_error = NULL,
        last_attempt_at = NULL, failing_since = NULL, changed_at = clock_timestamp()
    RETURNING {_COLUMNS}
""")  # noqa: S608 - constants of this module
_UNSUBSCRIBE = text("""
    DELETE FROM queue_subscriptions WHERE queue_id = (SELECT id FROM queues WHERE name = :queue) RETURNING queue_id
""")
_SUBSCRIPTION = text(f"""
    SELECT {_COLUMNS} FROM queue_subscriptions WHERE queue_id = (SELECT id FROM queues WHERE name = :queue)
""")  # noqa: S608 - constants of this module
_TARGET = text("""
    SELECT subscription.queue_id, subscription.id AS subscription_id, subscription.changed_at, url, secret,
           max_receives, CAST(extract(epoch FROM clock_timestamp()) AS bigint) AS now
    FROM queues, queue_subscriptions AS subscription
    WHERE name = :queue AND NOT paused AND subscription.queue_id = queues.id AND state = 'active'
""")
_DISABLE = text("""
    UPDATE queue_subscriptions SET state = 'disabled' WHERE queue_id = :queue_id AND changed_at = :changed_at
    RETURNING queue_id
""")
_NOTE = text("""
    UPDATE queue_subscriptions
    SET delivered = delivered + :delivered, failed = failed + :failed, last_status = :last_status,
        last_error = :last_error, last_attempt_at = clock_timestamp(),
        failing_since = CASE WHEN :is_failing THEN coalesce(failing_since, clock_timestamp()) END
    WHERE queue_id = :queue_id AND changed_at = :changed_at
""")


class Target(NamedTuple):
    """A subscription as one push meets it; `now` is the database's time in seconds."""

    queue_id: int
    subscription_id: UUID
    changed_at: datetime
    url: str
    secret: str
    max_receives: int
    now: int


class Noted(NamedTuple):
    """What pushes came to since it was last written down. The last one says how things are."""

    delivered: int
    failed: int
    last_status: int | None
    last_error: str | None
    is_failing: bool


async def subscribe(connection: AsyncConnection, queue: str, *, url: str, secret: str, at_most: int) -> Row[Any] | None:
    """None: there is no such queue, or so many others have a subscription already."""
    given = {"queue": queue, "url": url, "secret": secret, "at_most": at_most}
    return (await connection.execute(_SUBSCRIBE, given)).one_or_none()


async def unsubscribe(connection: AsyncConnection, queue: str) -> bool:
    """False: there was none. The secret is gone with it."""
    return (await connection.execute(_UNSUBSCRIBE, {"queue": queue})).first() is not None


async def subscription(connection: AsyncConnection, queue: str) -> Row[Any] | None:
    return (await connection.execute(_SUBSCRIPTION, {"queue": queue})).one_or_none()


async def target(connection: AsyncConnection, queue: str) -> Target | None:
    """None: nothing is to be pushed now, because there is no subscription any more, or the queue is paused."""
    row = (await connection.execute(_TARGET, {"queue": queue})).one_or_none()
    return None if row is None else Target(*row)


async def disable(connection: AsyncConnection, target: Target) -> bool:
    """False: it was set anew meanwhile."""
    given = {"queue_id": target.queue_id, "changed_at": target.changed_at}
    return (await connection.execute(_DISABLE, given)).first() is not None


async def note(connection: AsyncConnection, target: Target, noted: Noted) -> None:
    """Of a subscription that was set anew meanwhile nothing: what is noted was another's."""
    given = {**noted._asdict(), "queue_id": target.queue_id, "changed_at": target.changed_at}
    await connection.execute(_NOTE, given)
