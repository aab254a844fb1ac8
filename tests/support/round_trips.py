"""A TCP proxy that counts what a client costs its server: round trips and writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from tests.support.tcp_proxy import TcpProxy


class CountingProxy(TcpProxy):
    """Counts a round trip when a client writes after an answer, and every write; writes that came together are one."""

    round_trips = 0
    writes = 0

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._server_url.hostname, self._server_url.port)
        self._connections |= {writer, back}
        is_answered = True

        def asked() -> None:
            nonlocal is_answered
            self.writes += 1
            self.round_trips += is_answered
            is_answered = False

        def answered() -> None:
            nonlocal is_answered
            is_answered = True

        await asyncio.gather(_pump_through(reader, back, asked), _pump_through(there, writer, answered))
        self._connections -= {writer, back}


async def _pump_through(source: asyncio.StreamReader, target: asyncio.StreamWriter, seen: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        while block := await source.read(65536):
            seen()
            target.write(block)
            await target.drain()
    target.close()


@contextlib.asynccontextmanager
async def counting_proxy(server_url: str) -> AsyncIterator[CountingProxy]:
    proxy = CountingProxy(server_url)
    await proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()
