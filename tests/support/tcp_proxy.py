"""A TCP proxy between a service and a server, to take the server away and give it back, with a reset or without."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit


class TcpProxy:
    """`url` is the server's, through the proxy."""

    def __init__(self, server_url: str) -> None:
        self._server_url = urlsplit(server_url)
        self._connections: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None
        # Bound and never listening: while the proxy is cut, nobody else gets its port.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind(("127.0.0.1", 0))
        self._port: int = self._kept.getsockname()[1]
        self._requests_flow = _flowing()
        self._answers_flow = _flowing()
        self._forgotten: list[asyncio.Event] = []
        self._cuts = 0

    @property
    def url(self) -> str:
        credentials, at, _ = self._server_url.netloc.rpartition("@")
        return urlunsplit(self._server_url._replace(netloc=f"{credentials}{at}127.0.0.1:{self._port}"))

    async def open(self) -> None:
        """Let connections through, on the same port as before."""
        self._listener = await asyncio.start_server(self._carry, "127.0.0.1", self._port)

    def cut(self) -> None:
        """Close every connection and refuse new ones."""
        self._cuts += 1
        if self._listener is not None:
            self._listener.close()
        for writer in list(self._connections):
            writer.transport.abort()

    def close(self) -> None:
        """For good."""
        self.cut()
        self._kept.close()

    def stall(self, *, answers_only: bool = False) -> None:
        """Carry nothing on any more, neither bytes nor the end of a connection, as when packets are dropped."""
        self._answers_flow.clear()
        if not answers_only:
            self._requests_flow.clear()

    def forget(self) -> None:
        """Carry nothing on for those who are connected, and tell nobody, as a router that was restarted."""
        self.stall()
        self._forgotten += [self._answers_flow, self._requests_flow]
        self._answers_flow, self._requests_flow = _flowing(), _flowing()

    def resume(self) -> None:
        """Bytes that were held back arrive after all, late."""
        for flow in (self._answers_flow, self._requests_flow, *self._forgotten):
            flow.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cuts = self._cuts
        await self._requests_flow.wait()
        try:
            there, back = await asyncio.open_connection(self._server_url.hostname, self._server_url.port)
        except OSError:
            writer.transport.abort()
            return
        self._connections |= {writer, back}
        if self._cuts > cuts or self._listener is None or not self._listener.is_serving():
            # It was cut before it was among those that are closed.
            writer.transport.abort()
            back.transport.abort()
        await asyncio.gather(_pump(reader, back, self._requests_flow), _pump(there, writer, self._answers_flow))
        self._connections -= {writer, back}


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, flow: asyncio.Event) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        while block := await source.read(65536):
            await flow.wait()
            target.write(block)
            await target.drain()
    await flow.wait()
    target.close()


def _flowing() -> asyncio.Event:
    flow = asyncio.Event()
    flow.set()
    return flow


@contextlib.asynccontextmanager
async def tcp_proxy(server_url: str) -> AsyncIterator[TcpProxy]:
    proxy = TcpProxy(server_url)
    await proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()
        proxy.resume()  # otherwise tasks that hold bytes back would wait for ever
