"""The producers and consumers of two older message queues, over the lease queue `default`."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, Self, cast

from rollcall._async.transport import AsyncTransport, decoded
from rollcall.calls import calls
from rollcall.connection import connection_to
from rollcall.models import ConsumedMessage, ConsumedMessages, NewMessageId, PublishedMessage

RECEIPT_HEADER: Final = "X-Receipt"


class _AsyncOlderClient:
    def __init__(
        self, hostname: str | None = None, port: int = 8000, *, url: str | None = None, api_key: str | None = None
    ) -> None:
        """By `hostname` and `port` as ever, or by `url` as `AsyncClient`."""
        address = f"http://{hostname}:{port}" if hostname is not None else url
        self._transport = AsyncTransport(connection_to(address, api_key))

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class AsyncProducer(_AsyncOlderClient):
    """Adds messages."""

    @calls("addMessage")
    async def add_new_message(self, payload: Any) -> int:
        """Its id, once it is durable."""
        return (await self._transport.call("POST", "/message/new", NewMessageId, json={"payload": payload})).id

    @calls("publishMessage")
    async def publish(self, payload: Any) -> int:
        """The same, at the other server's address."""
        answer = await self._transport.call("POST", "/v1/publish", PublishedMessage, json={"payload": payload})
        return answer.message_id


class AsyncConsumer(_AsyncOlderClient):
    """Takes messages, and says when they are done."""

    def __init__(self, *address: Any, **more: Any) -> None:
        super().__init__(*address, **more)
        self._receipts: dict[int, str] = {}

    @calls("nextMessage")
    async def get_next_message(self) -> ConsumedMessage | None:
        """The next message under a lease; None when there is none."""
        response = await self._transport.send("GET", "/message/next", is_safe=False)
        message = cast("ConsumedMessage | None", decoded(response, ConsumedMessage))
        if message is not None and RECEIPT_HEADER in response.headers:
            self._receipts[message.id] = response.headers[RECEIPT_HEADER]
        return message

    @calls("finishMessage")
    async def notify_processed(self, message_id: int) -> None:
        """It is done, and goes. Raises LeaseLost when its time was over."""
        receipt = self._receipts.pop(message_id, None)
        headers = {} if receipt is None else {RECEIPT_HEADER: receipt}
        await self._transport.send("POST", f"/message/{int(message_id)}/status/done", headers=headers)

    @calls("consumeMessages")
    async def consume(self, consumer_id: str | int, limit: int = 1) -> list[ConsumedMessage]:
        """Lease up to `limit` messages for this consumer, at the other server's address."""
        params = {"cid": consumer_id, "limit": limit}
        response = await self._transport.send("GET", "/v1/consumer", params=params, is_safe=False)
        return decoded(response, ConsumedMessages).messages

    @calls("deleteConsumedMessage")
    async def delete(self, consumer_id: str | int, message_id: int) -> bool:
        """It is done; False when this consumer does not hold it any more."""
        params = {"cid": consumer_id, "id": message_id}
        return await self._transport.call("DELETE", "/v1/consumer", bool, params=params)
