"""Keys are known in memory, and no longer than the database stands by them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.access.key_directory import (
    ALIVE_CHECK_SECONDS,
    TRUSTED_SECONDS,
    USE_WRITTEN_SECONDS,
    KeyDirectory,
    KeysUnknown,
)
from shared.access.tokens import KEY, SESSION, Token, new_token
from tests.support.tcp_proxy import tcp_proxy
from tests.support.waiting import eventually


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def opened(directory: KeyDirectory) -> AsyncIterator[KeyDirectory]:
    await directory.open()
    try:
        yield directory
    finally:
        await directory.close()


async def insert(database: asyncpg.Connection, *scopes: str, name: str = "payroll", expires: str = "null") -> Token:
    token = new_token(KEY)
    await database.execute(
        f"INSERT INTO api_keys (id, name, scopes, digest, expires_at) VALUES ($1, $2, $3, $4, {expires})",
        token.id,
        name,
        list(scopes),
        token.digest,
    )
    return token


async def insert_session(database: asyncpg.Connection, key: Token, *, lasts: str = "1 hour") -> Token:
    token = new_token(SESSION)
    await database.execute(
        f"INSERT INTO key_sessions (id, key_id, digest, expires_at) VALUES ($1, $2, $3, now() + interval '{lasts}')",
        token.id,
        key.id,
        token.digest,
    )
    return token


async def test_what_is_committed_by_anybody_is_known_and_what_is_revoked_is_not(
    database: asyncpg.Connection, database_url: str
) -> None:
    first = await insert(database, "read", "queues:jobs-*")
    async with opened(KeyDirectory(database_url, "one")) as one, opened(KeyDirectory(database_url, "two")) as two:
        caller = one.find(first.text, KEY)
        assert caller is not None
        assert (caller.name, caller.key_id, caller.scopes) == (
            "payroll",
            first.id,
            frozenset({"read", "queues:jobs-*"}),
        )
        assert one.find(first.text[:-1], KEY) is None
        assert one.find(new_token(KEY).text, KEY) is None
        # Its id with another secret.
        assert one.find(first.text[:15] + new_token(KEY).text[15:], KEY) is None

        # Of the same name, at once with the first, as when a key is replaced.
        second = await insert(database, "read")
        session = await insert_session(database, first)
        await eventually(lambda: two.find(second.text, KEY) is not None and one.find(session.text, SESSION) is not None)
        assert one.find(session.text, KEY) is None
        signed_in = one.find(session.text, SESSION)
        assert signed_in is not None
        assert (signed_in.name, signed_in.session_id) == ("payroll", session.id)

        began = asyncio.get_running_loop().time()
        await database.execute("UPDATE api_keys SET revoked_at = now() WHERE id = $1", first.id)
        await eventually(lambda: one.find(first.text, KEY) is None and two.find(first.text, KEY) is None)
        # By what was announced, and not by the look whether the connection lives.
        assert asyncio.get_running_loop().time() - began < ALIVE_CHECK_SECONDS
        # The session that began with it is over, and the other key is not.
        assert one.find(session.text, SESSION) is None
        assert one.find(second.text, KEY) is not None


async def test_time_ends_keys_and_sessions_without_anybodys_doing(
    database: asyncpg.Connection, database_url: str
) -> None:
    lasting = await insert(database, "read")
    ending = await insert(database, "read", expires="now() + interval '1.5 seconds'")
    past = await insert(database, "read", expires="now() - interval '1 second'")
    session = await insert_session(database, lasting, lasts="1.5 seconds")
    of_ending = await insert_session(database, ending)
    async with opened(KeyDirectory(database_url, "keys")) as keys:
        assert keys.find(past.text, KEY) is None
        await eventually(lambda: keys.find(ending.text, KEY) is None)
        await eventually(lambda: keys.find(session.text, SESSION) is None)
        assert keys.find(of_ending.text, SESSION) is None
        assert keys.find(lasting.text, KEY) is not None


@pytest.mark.parametrize("loss", ["cut", "stall"])
async def test_a_lost_connection_is_trusted_for_a_minute_and_then_nobody_is_let_in(
    database: asyncpg.Connection, database_url: str, loss: str
) -> None:
    """Also one that dies in silence: nothing tells the process that it hears nothing any more."""
    token = await insert(database, "read")
    clock = Clock()
    async with tcp_proxy(database_url) as proxy, opened(KeyDirectory(proxy.url, "keys", clock=clock)) as keys:
        getattr(proxy, loss)()
        await database.execute("UPDATE api_keys SET revoked_at = now() WHERE id = $1", token.id)
        clock.now += TRUSTED_SECONDS - 1
        assert keys.find(token.text, KEY) is not None
        clock.now += 2
        with pytest.raises(KeysUnknown):
            keys.find(token.text, KEY)
        with pytest.raises(KeysUnknown):
            keys.find("nothing", KEY)

        if loss == "cut":
            await proxy.open()
        else:
            proxy.resume()

        def is_known_as_revoked() -> bool:
            try:
                return keys.find(token.text, KEY) is None
            except KeysUnknown:
                return False

        await eventually(is_known_as_revoked, seconds=30)


async def test_use_is_written_once_a_minute_and_announces_nothing(
    database: asyncpg.Connection, database_url: str
) -> None:
    token, unused = await insert(database, "read"), await insert(database, "read")
    clock = Clock()
    heard: list[object] = []
    async with opened(KeyDirectory(database_url, "keys", clock=clock)) as keys:
        await database.add_listener("rollcall_keys", lambda *told: heard.append(told))

        async def last_use(key: Token) -> object:
            return await database.fetchval("SELECT last_used_at FROM api_keys WHERE id = $1", key.id)

        async def is_written() -> bool:
            return await last_use(token) is not None

        for _ in range(100):
            keys.find(token.text, KEY)
        await eventually(is_written)
        assert await last_use(unused) is None

        await database.execute("UPDATE api_keys SET last_used_at = NULL")
        clock.now += USE_WRITTEN_SECONDS - 1
        keys.find(token.text, KEY)
        await keys.reread()
        assert await last_use(token) is None
        clock.now += 2
        keys.find(token.text, KEY)
        await eventually(is_written)
        await database.execute("SELECT 1")
        assert heard == []


async def test_a_directory_that_reaches_no_database_does_not_open(unused_tcp_port: int) -> None:
    keys = KeyDirectory(f"postgresql://a:b@127.0.0.1:{unused_tcp_port}/c", "keys")
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await keys.open()
        with pytest.raises(KeysUnknown):
            keys.find(new_token(KEY).text, KEY)
    finally:
        await keys.close()
