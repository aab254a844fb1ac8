"""The addresses and ARNs of queues."""

from __future__ import annotations

import re
from typing import NamedTuple

from api_service.lease_queues.messages import QUEUE_NAME_PATTERN
from api_service.lease_queues.sqs.errors import QueueMissing

_queue_name = re.compile(QUEUE_NAME_PATTERN)


class Addresses(NamedTuple):
    """`base` is where the client has found us, or what a setting says of it."""

    base: str
    account_id: str
    region: str

    def url(self, queue: str) -> str:
        return f"{self.base}/{self.account_id}/{queue}"

    def arn(self, queue: str) -> str:
        return f"arn:aws:sqs:{self.region}:{self.account_id}:{queue}"


def is_queue_name(name: str) -> bool:
    """Of either door: lease queues take more names than can be made here."""
    return _queue_name.fullmatch(name) is not None


def queue_of_url(url: str) -> str:
    """Its last part. What stands before is not looked at: a program that comes from AWS may bring its old addresses.

    Raises `QueueMissing` where no queue can have that name.
    """
    name = url.rstrip("/").rpartition("/")[2]
    if not is_queue_name(name):
        raise QueueMissing
    return name
