# Made from rollcall/_async/client.py by `python -m tools.sync_client`: change that.
"""The client as a whole."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Self

import httpx2

from rollcall._sync.access import AccessCalls
from rollcall._sync.others import DeadLetterCalls, EmployeeCalls, ErasureCalls, OperationCalls
from rollcall._sync.queue import Queue
from rollcall._sync.reading import Pages
from rollcall._sync.rows import RowCalls
from rollcall._sync.transport import Transport, path_of
from rollcall._sync.uploads import UploadCalls
from rollcall.calls import calls
from rollcall.connection import connection_to
from rollcall.models import Listing, QueueState


class Client(
    UploadCalls,
    RowCalls,
    EmployeeCalls,
    DeadLetterCalls,
    ErasureCalls,
    AccessCalls,
    OperationCalls,
):
    """Rollcall over HTTP, with one connection pool.

    Address and key come from `url` and `api_key`, else from ROLLCALL_URL and ROLLCALL_API_KEY. Reads are repeated when
    the connection breaks or the service has no time; what changes something only if nothing of it was sent, or if the
    service knows the second for the first. Raises the exceptions of `rollcall.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 30.0,
        attempts: int = 8,
        reconnect_seconds: float = 300.0,
        verify: ssl.SSLContext | str | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`attempts`: how often at most a request is sent. `reconnect_seconds`: how long `watch` looks for a service
        that is away. `verify`: the file with the authorities that are trusted, or a context; else the machine's.
        `transport`: instead of httpx2's own."""
        self._transport = Transport(
            connection_to(
                url,
                api_key,
                timeout_seconds=timeout_seconds,
                attempts=attempts,
                reconnect_seconds=reconnect_seconds,
                verify=verify,
                transport=transport,
            )
        )
        self._queues: dict[str, Queue] = {}

    @property
    def url(self) -> str:
        return self._transport.connection.url

    @calls("listQueues")
    def queues(self) -> Pages[QueueState]:
        return self._pages(path_of("queues"), Listing[QueueState])

    def queue(self, name: str) -> Queue:
        """A lease queue, whether it is there already or is to be made by the first message."""
        if name not in self._queues:
            self._queues[name] = Queue(self._transport, name)
        return self._queues[name]

    def close(self) -> None:
        """Give back what consumers hold, and close the connections."""
        for queue in self._queues.values():
            queue.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
