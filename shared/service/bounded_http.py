"""The HTTP of every service, with an end to all that a client can make it hold or wait for.

uvicorn bounds neither the headers of a request nor the time they take, reads what nobody asks for, and keeps an answer
for ever that nobody takes. `BoundedHttp` stands in its place (`uvicorn --http`). Its invariants:

* A head, or the trailers of a body, have at most 64 KiB in 100 fields (431), and `HEAD_SECONDS` to arrive (408).
* A request is read when the one before it is answered, not while it waits (no pipelining).
* All connections together hold at most `HELD_BYTES` of what was received and not asked for, or sent and not taken.
  Beyond that whoever holds most is refused (503), so that who holds little goes on.
* What is answered before its body has ended is read on for a moment, so that the client sees why, and then closed.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from shared.service.problem_document import MEDIA_TYPE, address_of

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

HEAD_BYTES: Final = 64 * 1024
HEAD_FIELDS: Final = 100
HEAD_SECONDS: Final = 10
CONNECTIONS: Final = 1000
HELD_BYTES: Final = 8 * 1024 * 1024
# Who takes nothing of an answer for so long is given up.
STALL_SECONDS: Final = 30
# And so soon, where others need the room.
TAKING_SECONDS: Final = 1
LINGER_SECONDS: Final = 2
# The parser keeps a field until it is whole; so it is fed in pieces where fields can stand, and counted between them.
_PIECE_BYTES: Final = 16 * 1024


_ENDS_WITH_THE_SERVICE: Final = "ends with the service"


def end_with_the_service(scope: MutableMapping[str, Any]) -> None:
    """The answer to this request has no end of its own: a service that ends does not wait for it, as for others."""
    scope.setdefault("state", {})[_ENDS_WITH_THE_SERVICE] = True


class Refusal(NamedTuple):
    """An answer that no application gave."""

    status: int
    code: str
    title: str
    detail: str
    headers: bytes = b""


NOT_HTTP: Final = Refusal(
    400, "invalid_request", "A parameter, header or body is not as described", "What came is no request of HTTP/1.1."
)
HEAD_TOO_LARGE: Final = Refusal(
    431,
    "headers_too_large",
    "The headers are larger than this service takes",
    f"Send at most {HEAD_BYTES} bytes of address and headers, in at most {HEAD_FIELDS} headers.",
)
HEAD_TOO_SLOW: Final = Refusal(
    408, "headers_timeout", "The headers came too slowly", f"Send them within {HEAD_SECONDS} seconds."
)
BUSY: Final = Refusal(
    503,
    "service_busy",
    "The service has too much in hand",
    "Too much was sent at once, or too many answers were not taken: try again shortly.",
    b"retry-after: 5\r\n",
)


class BoundedHttp(HttpToolsProtocol):
    # Of all connections of this process: never less than what they hold, and counted exactly when it is too much.
    _held_at_most = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        self._refusal: Refusal | None = None
        self._is_deaf = False
        self._awaits_head = True
        self._is_chunked = False
        self._head_bytes = self._head_fields = 0
        # Bytes given to the parser since it last gave something back: at most so many it keeps.
        self._in_parser = 0
        self._unsent = 0
        self._unsent_since = 0.0
        self._stall_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._end_late_head)
        if len(self.connections) > CONNECTIONS:
            self._make_place()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._stall_timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    @property
    def held_bytes(self) -> int:
        """What this connection holds for want of somebody who takes it."""
        unread = 0 if self.cycle is None else len(self.cycle.body)
        return self._in_parser + unread + self.transport.get_write_buffer_size()

    @property
    def is_taking(self) -> bool:
        """An answer has just been sent, and who asked for it had no time to take it yet."""
        return self._unsent > 0 and self.loop.time() - self._unsent_since < TAKING_SECONDS

    @property
    def has_request_in_hand(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._count_held(len(data))
        for piece in self._pieces(data):
            if self._is_deaf or self.transport.is_closing():
                return
            self._in_parser += len(piece)
            super().data_received(piece)
            if self._in_parser > HEAD_BYTES:
                self._refuse(HEAD_TOO_LARGE)
        # Most heads come whole, and cost no timer.
        if self._in_parser and self._awaits_head and self._head_timer is None and not self.has_request_in_hand:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_late_head)

    def _pieces(self, data: bytes) -> Iterable[bytes]:
        if len(data) <= _PIECE_BYTES or not (self._awaits_head or self._is_chunked):
            return (data,)
        return (data[start : start + _PIECE_BYTES] for start in range(0, len(data), _PIECE_BYTES))

    def on_message_begin(self) -> None:
        if self.has_request_in_hand and not self._has_all_of_its_answer():
            # It will not be answered, which the client knows by the end of the connection, and sends it again.
            self.cycle.keep_alive = False
            self._is_deaf = True
            raise ValueError("a request behind one that is not answered")
        super().on_message_begin()
        self._awaits_head = True
        self._is_chunked = False
        self._head_bytes = self._head_fields = 0

    def _has_all_of_its_answer(self) -> bool:
        """The client has every byte of it and may ask again, though the application has not said that this was all.

        So it is with a stream of known length. The next request then waits as the base class lets it: unread.
        """
        cycle = self.cycle
        has_every_byte = cycle.expected_content_length == 0 or cycle.scope["method"] == "HEAD"
        return cycle.response_started and not cycle.chunked_encoding and has_every_byte and cycle.keep_alive

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_fields += 1
        self._count_head(len(name) + len(value))
        if self._awaits_head:
            super().on_header(name, value)
            self._is_chunked = self._is_chunked or name.lower() == b"transfer-encoding"

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES or self._head_fields > HEAD_FIELDS:
            self._refusal = HEAD_TOO_LARGE
            raise ValueError("more head than is taken")  # to the parser, which stops

    def on_headers_complete(self) -> None:
        self._awaits_head = False
        self._in_parser = 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._in_parser = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_parser = 0
        self._awaits_head = True
        if self._close_timer is not None and not self._is_deaf:
            self._close_timer.cancel()
            self._close_timer = None
        super().on_message_complete()

    def shutdown(self) -> None:
        super().shutdown()
        if self.has_request_in_hand and self.cycle.scope["state"].get(_ENDS_WITH_THE_SERVICE):
            self.transport.close()

    def on_response_complete(self) -> None:
        is_of_last_request = not self.pipeline
        super().on_response_complete()
        if is_of_last_request and self.cycle.more_body and not self.transport.is_closing():
            self._close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        if not self._is_deaf:
            self._refuse(self._refusal or NOT_HTTP)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._unsent_since = self.loop.time()
        self._count_held(self._unsent)
        self._stall_timer = self.loop.call_later(STALL_SECONDS, self._end_stalled)

    def resume_writing(self) -> None:
        self._unsent = 0
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        super().resume_writing()

    def _end_stalled(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent >= self._unsent:
            self.transport.abort()
            return
        self._unsent = unsent
        self._stall_timer = self.loop.call_later(STALL_SECONDS, self._end_stalled)

    def _end_late_head(self) -> None:
        self._head_timer = None
        if self._in_parser or self._head_bytes:
            self._refuse(HEAD_TOO_SLOW)
        else:
            # Nobody has asked for anything: browsers open connections that they may never use.
            self.transport.close()

    def _make_place(self) -> None:
        """End the connection that has gone longest without a request in hand; this one, if none has."""
        idle = [each for each in self._others() if not each.has_request_in_hand]
        if idle:
            # In a set, and so in no order; the first to be closed are those whose time for a head runs out first.
            min(idle, key=lambda each: each._head_timer.when() if each._head_timer else 0.0).transport.abort()
        else:
            self._refuse(BUSY)

    def _others(self) -> list[BoundedHttp]:
        return [each for each in self.connections if isinstance(each, BoundedHttp) and each is not self]

    def _count_held(self, size: int) -> None:
        cls = type(self)
        cls._held_at_most += size
        if cls._held_at_most <= HELD_BYTES:
            return
        everybody = [*self._others(), self]
        held = size + sum(each.held_bytes for each in everybody)
        holders = sorted((each for each in everybody if not each.is_taking), key=lambda each: each.held_bytes)
        while held > HELD_BYTES and holders:
            largest = holders.pop()
            held -= largest.held_bytes
            largest._refuse(BUSY)
        cls._held_at_most = held

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, refusal: Refusal) -> None:
        """Answer, unless something of an answer is on its way, and close when the client has had time to read it."""
        self._is_deaf = True
        self._in_parser = 0
        self._stop_head_timer()
        must_abort = self.transport.get_write_buffer_size() > 0
        if self.has_request_in_hand:
            must_abort = must_abort or self.cycle.response_started
            # As if the client had gone: nobody waits for the application's answer any more.
            self.cycle.disconnected = True
            self.cycle.body = bytearray()
            self.cycle.message_event.set()
        self.logger.warning("Refused a connection: %s", refusal.code)
        if must_abort:
            self.transport.abort()
            return
        if self.transport.is_closing():
            return
        self.transport.write(_answer(refusal))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # What is still on its way is read and dropped: closed at once, the client would be cut off before it has read.
        self._close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _answer(refusal: Refusal) -> bytes:
    document = {
        "type": address_of(refusal.code),
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
    }
    body = json.dumps(document, separators=(",", ":")).encode()
    head = b"content-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n" % (MEDIA_TYPE.encode(), len(body))
    return b"".join([STATUS_LINE[refusal.status], head, refusal.headers, b"\r\n", body])
