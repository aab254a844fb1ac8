"""The client as a whole."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Self

import httpx2

from rollcall._async.access import AsyncAccessCalls
from rollcall._async.others import AsyncDeadLetterCalls, AsyncEmployeeCalls, AsyncErasureCalls, AsyncOperationCalls
from rollcall._async.queue import AsyncQueue
from rollcall._async.reading import AsyncPages
from rollcall._async.rows import AsyncRowCalls
from rollcall._async.transport import AsyncTransport, path_of
from rollcall._async.uploads import AsyncUploadCalls
from rollcall.calls import calls
from rollcall.connection import connection_to
from rollcall.models import Listing, QueueState


class AsyncClient(
    AsyncUploadCalls,
    AsyncRowCalls,
    AsyncEmployeeCalls,
    AsyncDeadLetterCalls,
    AsyncErasureCalls,
    AsyncAccessCalls,
    AsyncOperationCalls,
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
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`attempts`: how often at most a request is sent. `reconnect_seconds`: how long `watch` looks for a service
        that is away. `verify`: the file with the authorities that are trusted, or a context; else the machine's.
        `transport`: instead of httpx2's own."""
        self._transport = AsyncTransport(
            connection_to(
                url,
                api_key,
                timeout_seconds=timeout_seconds,
                attempts=attempts,
                reconnect_seconds=reconnect_seconds,
                verify=verify,
                async_transport=transport,
            )
        )
        self._queues: dict[str, AsyncQueue] = {}

    @property
    def url(self) -> str:
        return self._transport.connection.url

    @calls("listQueues")
    def queues(self) -> AsyncPages[QueueState]:
        return self._pages(path_of("queues"), Listing[QueueState])

    def queue(self, name: str) -> AsyncQueue:
        """A lease queue, whether it is there already or is to be made by the first message."""
        if name not in self._queues:
            self._queues[name] = AsyncQueue(self._transport, name)
        return self._queues[name]

    async def aclose(self) -> None:
        """Give back what consumers hold, and close the connections."""
        for queue in self._queues.values():
            await queue.aclose()
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
