"""A rotation that is disturbed: no letter is lost, and the next one puts things right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from pydantic import SecretStr

from api_service.dead_letters.rotation import open_rotation
from api_service.settings import ApiSettings
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher import Publisher
from shared.amqp.topology import DEAD_LETTERS_QUEUE
from shared.dead_letters.identity import Letter
from tests.support.broker import Broker
from tests.support.dead_letters import DeadLetters, open_dead_letters
from tests.support.tcp_proxy import tcp_proxy
from tests.support.uploads import insert_upload
from tests.support.waiting import eventually


@pytest.fixture
async def letters(settings: ApiSettings, database: asyncpg.Connection, broker: Broker) -> AsyncIterator[DeadLetters]:
    async with open_dead_letters(settings, database, broker) as dead_letters:
        yield dead_letters


@pytest.fixture
async def publisher(settings: ApiSettings) -> AsyncIterator[Publisher]:
    publisher = Publisher(settings, "test rotation")
    yield publisher
    await publisher.close()


@pytest.fixture
def small_prefetch_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api_service.dead_letters.rotation.PREFETCH_COUNT", 4)


async def keep_all(letters: Sequence[Letter]) -> set[Letter]:
    return set(letters)


@pytest.mark.usefixtures("small_prefetch_count")
async def test_a_crash_in_the_middle_loses_nothing_and_the_next_rotation_tidies_up(
    settings: ApiSettings, publisher: Publisher, letters: DeadLetters, broker: Broker, database: asyncpg.Connection
) -> None:
    ids = await letters.add_rows(await insert_upload(database), range(1, 21))
    asked: list[Letter] = []

    async def crash_after_two_windows(batch: Sequence[Letter]) -> set[Letter]:
        asked.extend(batch)
        if len(asked) > 8:
            raise ConnectionResetError
        return set(batch)

    with pytest.raises(ConnectionResetError):
        async with open_rotation(settings, publisher) as rotation:
            await rotation.run(crash_after_two_windows)
    await eventually(lambda: broker.has_ready(DEAD_LETTERS_QUEUE, 20))
    async with open_rotation(settings, publisher) as rotation:
        await rotation.run(keep_all)
    assert await letters.take(20) == sorted(ids)


@pytest.mark.usefixtures("small_prefetch_count")
async def test_a_connection_cut_in_the_middle_loses_nothing(
    settings: ApiSettings,
    publisher: Publisher,
    letters: DeadLetters,
    broker: Broker,
    database: asyncpg.Connection,
    amqp_url: str,
) -> None:
    ids = await letters.add_rows(await insert_upload(database), range(1, 21))
    copied: list[Letter] = []
    async with tcp_proxy(amqp_url) as proxy:
        elsewhere = settings.model_copy(update={"amqp_url": SecretStr(proxy.url)})

        async def cut_after_the_first_window(batch: Sequence[Letter]) -> set[Letter]:
            proxy.cut()
            copied.extend(batch)
            return set(batch)

        with pytest.raises(BrokerUnavailable):
            async with open_rotation(elsewhere, publisher) as rotation:
                await rotation.run(cut_after_the_first_window)
    # Copied and never acknowledged, these are there twice for now.
    await eventually(lambda: broker.has_ready(DEAD_LETTERS_QUEUE, 20 + len(copied)))
    async with open_rotation(settings, publisher) as rotation:
        await rotation.run(keep_all)
    assert await letters.take(20) == sorted(ids)


async def test_letters_that_somebody_else_takes_meanwhile_do_not_make_it_eat_its_own_copies(
    settings: ApiSettings, publisher: Publisher, letters: DeadLetters, broker: Broker, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database)
    await letters.add_rows(upload_id, range(1, 6))
    async with open_rotation(settings, publisher) as rotation:
        await broker.take_all(DEAD_LETTERS_QUEUE)
        later = await letters.add_rows(upload_id, [6, 7])
        await rotation.run(keep_all)
    assert await letters.take(2) == later


async def test_letters_that_come_during_a_rotation_are_left_where_they_are(
    settings: ApiSettings, publisher: Publisher, letters: DeadLetters, broker: Broker, database: asyncpg.Connection
) -> None:
    upload_id = await insert_upload(database)
    first = await letters.add_rows(upload_id, [1, 2, 3])
    async with open_rotation(settings, publisher) as rotation:
        later = await letters.add_rows(upload_id, [4])
        await rotation.run(keep_all)
    found = [message.correlation_id for message in await broker.take(DEAD_LETTERS_QUEUE, 4)]
    assert found == [*later, *first]
