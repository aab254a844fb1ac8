"""Messages, leases and receipts as they go in and out of a lease queue, and the limits of each."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

# The queue of the older clients, whose addresses name none.
DEFAULT_QUEUE: Final = "default"
MAX_MESSAGES: Final = 1000
MAX_PAYLOAD_BYTES: Final = 256 * 1024
MAX_TIMEOUT_SECONDS: Final = 43_200
MAX_DELAY_SECONDS: Final = 90 * 86_400
MAX_WAIT_SECONDS: Final = 20
MAX_PRIORITY: Final = 9
MAX_HEADER_BYTES: Final = 8 * 1024
MAX_DEDUPLICATION_SECONDS: Final = 7 * 86_400
MAX_RETENTION_SECONDS: Final = 10 * 365 * 86_400
# Bounds the memory of an answer: a claim hands out no more than this and one message.
MAX_CLAIM_BYTES: Final = 2 * 1024 * 1024

# For whole texts, as in JSON Schema and in Rust's regular expressions. Python's `$` lets a line feed pass behind the
# text, so where Python reads them they are for `fullmatch`.
# Not `.` and `..`, which clients and proxies take out of an address. No lookahead, because Rust has none.
QUEUE_NAME_PATTERN: Final = (
    r"^(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}|\.[A-Za-z0-9_-][A-Za-z0-9._-]{0,78}|\.\.[A-Za-z0-9._-]{1,78})$"
)
RECEIPT_PATTERN: Final = r"^[1-9][0-9]{0,17}-[0-9a-f]{32}$"
# No control characters: Postgres takes no NUL, and pages and logs none of the others.
CONSUMER_PATTERN: Final = r"^[^\x00-\x1f\x7f]{1,255}$"

# Of groups and of what is sent once: what people have as keys, and no control characters.
KEY_PATTERN: Final = r"^[^\x00-\x1f\x7f]{1,128}$"

# Bytes of payload on one page of a listing, unless its first message alone is larger.
MAX_PAGE_BYTES: Final = 4 * 1024 * 1024

_receipt = re.compile(RECEIPT_PATTERN)


class NewMessage(NamedTuple):
    """`payload` is JSON in UTF-8, perhaps a view into the request that it came with: as text it could be four times
    as large."""

    payload: bytes | memoryview
    payload_bytes: int
    delay_seconds: int = 0
    # Instead of a delay.
    deliver_at: datetime | None = None
    group_id: str | None = None
    priority: int = 0
    # JSON, whose bytes count as the payload's.
    headers: str | None = None
    deduplication_id: str | None = None

    @property
    def is_plain(self) -> bool:
        return self[3:] == _PLAIN


# Of a message that has a payload and perhaps a delay, and nothing else.
_PLAIN: Final = (None, None, 0, None, None)


class Receipt(NamedTuple):
    """Names one lease of one message."""

    message_id: int
    token: UUID

    def __str__(self) -> str:
        return f"{self.message_id}-{self.token.hex}"

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Raises `ValueError` for a text that is no receipt."""
        if _receipt.fullmatch(text) is None:
            raise ValueError("no receipt")
        message_id, _, token = text.partition("-")
        return cls(int(message_id), UUID(hex=token))


class LeasedMessage(NamedTuple):
    id: int
    payload: str
    receipt: Receipt
    receive_count: int
    enqueued_at: datetime
    lease_expires_at: datetime
    group_id: str | None = None
    priority: int = 0
    headers: str | None = None
    moved_from: str | None = None
    first_received_at: datetime | None = None


class LeaseChange(NamedTuple):
    """`seconds` from now the lease shall end; 0 gives the message back."""

    receipt: Receipt
    seconds: int


class ReceiveOrder(NamedTuple):
    """The wish of one receiver. No timeout means the queue's own."""

    consumer_id: str
    limit: int
    visibility_timeout_seconds: int | None = None
