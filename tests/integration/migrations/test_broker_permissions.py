"""With each service's own broker user everything is refused that its part in the topology does not need."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Final

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelLockedResource

from migrations.roles.privileges import Service
from producer_service.requester import declare_callback_queue
from shared.amqp.connection import BrokerUnavailable, connect
from shared.amqp.topology import declare_topology
from shared.service.settings import SharedSettings
from tests.support.own_broker_users import own_broker_users
from tests.support.pipeline import consumer_settings, producer_settings
from tests.support.servers import Servers, create_vhost, delete_vhost

EXCHANGES: Final = ("uploads", "requests", "replies", "dead-letters")
QUEUES: Final = (
    "uploads.announced",
    "employees.requests",
    "employees.bulk-requests",
    "employees.dead-letters",
    "employees.dead-chunks",
)
REQUESTS: Final = {"employees.requests", "employees.bulk-requests"}

# Said a second time here, in other words than the patterns: what each may declare or delete, publish to, take from.
MAY_DECLARE: Final[dict[Service, set[str]]] = {
    "api": {"dead-letters", "employees.dead-letters"},
    "producer": {"uploads", "replies", "uploads.announced", "employees.dead-chunks"},
    "consumer": {"requests", *REQUESTS},
}
MAY_PUBLISH: Final[dict[Service, set[tuple[str, str]]]] = {
    "api": {("uploads", "any"), ("requests", "any"), ("dead-letters", "row"), ("dead-letters", "malformed")},
    "producer": {("requests", "any"), ("dead-letters", "malformed"), ("dead-letters", "chunk")},
    "consumer": {("requests", "any"), ("replies", "any"), ("dead-letters", "row"), ("dead-letters", "malformed")},
}
MAY_TAKE: Final[dict[Service, set[str]]] = {
    "api": {"employees.dead-letters"},
    "producer": {"uploads.announced", "employees.dead-chunks"},
    "consumer": REQUESTS,
}

Users = Mapping[Service, AbstractConnection]
Try = Callable[[AbstractChannel], Awaitable[object]]


@pytest.fixture
async def users(servers: Servers, amqp_url: str) -> AsyncIterator[Users]:
    """A connection as each service, to a broker where everything is declared."""
    async with await aio_pika.connect(amqp_url) as admin:
        await declare_topology(await admin.channel())
        async with own_broker_users(servers, amqp_url) as urls:
            connections = {service: await aio_pika.connect(url) for service, url in urls.items()}
            yield connections
            for connection in connections.values():
                await connection.close()


async def is_refused(connection: AbstractConnection, attempt: Try) -> bool:
    channel = await connection.channel(publisher_confirms=True)
    try:
        await attempt(channel)
    except ChannelAccessRefused:
        return True
    await channel.close()
    return False


def publishing(exchange: str, key: str) -> Try:
    async def attempt(channel: AbstractChannel) -> None:
        target = await channel.get_exchange(exchange, ensure=False)
        await target.publish(aio_pika.Message(b"{}"), key, mandatory=False)

    return attempt


def binding(queue: str, exchange: str, key: str) -> Try:
    async def attempt(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).bind(exchange, key)

    return attempt


def taking(queue: str) -> Try:
    async def attempt(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).get(no_ack=True, fail=False)

    return attempt


def deleting(queue: str) -> Try:
    return lambda channel: channel.queue_delete(queue)


def deleting_exchange(exchange: str) -> Try:
    return lambda channel: channel.exchange_delete(exchange)


def everything(service: Service) -> Iterator[tuple[str, Try, bool]]:
    """What is tried, and whether the service may; what deletes comes last."""
    for exchange, key in itertools.product(EXCHANGES, ("any", "row", "malformed", "chunk")):
        counted = key if exchange == "dead-letters" else "any"
        yield (
            f"publish to {exchange} with {key}",
            publishing(exchange, key),
            (exchange, counted) in MAY_PUBLISH[service],
        )
    for queue in QUEUES:
        yield f"take from {queue}", taking(queue), queue in MAY_TAKE[service]


def deletions(service: Service) -> Iterator[tuple[str, Try, bool]]:
    for queue in QUEUES:
        yield f"delete {queue}", deleting(queue), queue in MAY_DECLARE[service]
    for exchange in EXCHANGES:
        yield f"delete {exchange}", deleting_exchange(exchange), exchange in MAY_DECLARE[service]


async def test_each_exchange_and_queue_is_closed_to_whoever_does_not_need_it(users: Users) -> None:
    wrong = [
        f"{service}: {what} is {'refused' if may else 'allowed'}"
        for tried in (everything, deletions)
        for service, connection in users.items()
        for what, attempt, may in tried(service)
        if await is_refused(connection, attempt) == may
    ]
    assert wrong == []


async def test_nobody_gets_at_more_by_a_way_round(users: Users) -> None:
    declared = await declare_callback_queue(await users["producer"].channel())
    allowed = [
        f"{service}: {what}"
        for service, what, attempt in (
            *((each, f"the default exchange to {queue}", publishing("", queue)) for each in users for queue in QUEUES),
            *((each, "amq.topic", publishing("amq.topic", "row")) for each in users),
            *((each, "a queue of its own", lambda c: c.declare_queue("own")) for each in users),
            *((each, "an exchange of its own", lambda c: c.declare_exchange("own")) for each in users),
            # What others get, copied into a queue of one's own.
            ("producer", "requests into a callback queue", binding(declared.name, "requests", "employees.requests")),
            ("producer", "letters into a callback queue", binding(declared.name, "dead-letters", "row")),
            ("producer", "all letters into a callback queue", binding(declared.name, "dead-letters", "#")),
            (
                "api",
                "requests into the dead letters",
                binding("employees.dead-letters", "requests", "employees.requests"),
            ),
            ("api", "replies into the dead letters", binding("employees.dead-letters", "replies", "producers")),
            ("api", "chunks into the dead letters", binding("employees.dead-letters", "dead-letters", "chunk")),
            ("consumer", "letters into the requests", binding("employees.requests", "dead-letters", "row")),
            ("api", "a callback queue", lambda c: c.declare_queue("callback.mine", exclusive=True)),
            ("consumer", "somebody's replies", taking(declared.name)),
        )
        if not await is_refused(users[service], attempt)
    ]
    assert allowed == []


async def test_no_user_gets_into_another_virtual_host(servers: Servers, amqp_url: str) -> None:
    other = (await create_vhost(servers)).rpartition("/")[2]
    try:
        async with own_broker_users(servers, amqp_url) as urls:
            for url in urls.values():
                settings = consumer_settings("postgresql://none", f"{url.rpartition('/')[0]}/{other}")
                with pytest.raises(BrokerUnavailable, match="not for this user"):
                    await connect(settings, "test")
    finally:
        await delete_vhost(servers, f"/{other}")


async def test_a_callback_queue_is_its_producers_alone(users: Users, servers: Servers, amqp_url: str) -> None:
    declared = await declare_callback_queue(await users["producer"].channel())
    async with own_broker_users(servers, amqp_url) as urls, await aio_pika.connect(urls["producer"]) as other:
        with pytest.raises(ChannelLockedResource):
            await taking(declared.name)(await other.channel())


async def test_each_service_declares_its_own_part_again_after_it_was_deleted(
    users: Users, amqp_url: str, database_url: str
) -> None:
    settings: dict[Service, SharedSettings] = {
        "producer": producer_settings(database_url, "file:///none", amqp_declares="own"),
        "consumer": consumer_settings(database_url, amqp_declares="own"),
    }
    async with await aio_pika.connect(amqp_url) as admin:
        channel = await admin.channel()
        for service, own in settings.items():
            for queue in MAY_DECLARE[service] & set(QUEUES):
                await channel.queue_delete(queue)
            await declare_topology(await users[service].channel(), own)
        for queue in QUEUES:
            await channel.declare_queue(queue, passive=True)
