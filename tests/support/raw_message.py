"""Messages as only a careless or hostile client makes them: with properties that are given as their bytes."""

from __future__ import annotations

from typing import Final

import aio_pika
from pamqp.commands import Basic


def _nested_table(depth: int) -> bytes:
    table = b""
    for _ in range(depth):
        table = b"\x01aF" + len(table).to_bytes(4, "big") + table
    return len(table).to_bytes(4, "big") + table


# The flags say which properties follow, in the order in which AMQP lists them.
UNREADABLE_PROPERTIES: Final = {
    "correlation id that is not UTF-8": b"\x14\x00" + b"\x02" + b"\x03\xff\xfe\xe9",
    "delivery mode that does not exist": b"\x10\x00" + b"\x07",
    "time beyond the year 9999": b"\x00\x40" + b"\x7f" + b"\xff" * 7,
    "headers nested without end": b"\x20\x00" + _nested_table(3000),
}


class RawMessage(aio_pika.Message):
    def __init__(self, body: bytes, raw_properties: bytes) -> None:
        super().__init__(body)
        self._raw_properties = raw_properties

    @property
    def properties(self) -> Basic.Properties:
        properties = _RawProperties()
        properties.raw = self._raw_properties
        return properties


class _RawProperties(Basic.Properties):
    raw = b""

    def marshal(self) -> bytes:
        return self.raw
