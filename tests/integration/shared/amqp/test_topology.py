"""The topology on a real broker: exactly what is documented, and safe to declare by everybody at any time."""

from __future__ import annotations

import asyncio

import aio_pika
from aio_pika.abc import AbstractConnection

from shared.amqp.topology import declare_topology
from tests.support.servers import Servers, management

NEVER = 1_000_000
QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": NEVER}
REQUESTS = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 10,
    "x-dead-letter-exchange": "dead-letters",
    "x-dead-letter-routing-key": "chunk",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}

EXCHANGES = {"uploads": "direct", "requests": "direct", "replies": "direct", "dead-letters": "topic"}
QUEUES = {
    "uploads.announced": QUORUM,
    "employees.dead-letters": QUORUM,
    "employees.dead-chunks": QUORUM,
    "employees.requests": REQUESTS,
    "employees.bulk-requests": REQUESTS,
}
BINDINGS = {
    ("uploads", "uploads.announced", "uploads.announced"),
    ("requests", "employees.requests", "employees.requests"),
    ("requests", "employees.bulk-requests", "employees.bulk-requests"),
    ("dead-letters", "employees.dead-letters", "row"),
    ("dead-letters", "employees.dead-letters", "malformed"),
    ("dead-letters", "employees.dead-chunks", "chunk"),
}


async def test_topology_has_the_documented_exchanges_queues_arguments_and_bindings(
    amqp_url: str, servers: Servers
) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        await _declare(connection)

    vhost = amqp_url.rpartition("/")[2]
    async with management(servers) as api:
        definitions = (await api.get(f"/api/definitions/{vhost}")).raise_for_status().json()
    assert {each["name"]: each["type"] for each in definitions["exchanges"]} == EXCHANGES
    assert {each["name"]: each["arguments"] for each in definitions["queues"]} == QUEUES
    bindings = {(each["source"], each["destination"], each["routing_key"]) for each in definitions["bindings"]}
    assert bindings == BINDINGS
    for each in [*definitions["exchanges"], *definitions["queues"]]:
        assert (each["durable"], each["auto_delete"]) == (True, False)


async def test_topology_can_be_declared_again_and_by_many_at_once(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as one, await aio_pika.connect(amqp_url) as other:
        await _declare(one)

        await asyncio.gather(*(_declare(connection) for connection in (one, other) for _ in range(3)))


async def _declare(connection: AbstractConnection) -> None:
    channel = await connection.channel()
    await declare_topology(channel)
    await channel.close()
