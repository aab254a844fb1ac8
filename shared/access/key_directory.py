"""All keys and sessions that are good, in the memory of each process, so that a request costs no question to anybody.

Invariants:

* What is in memory is what the database said at most `TRUSTED_SECONDS` ago, or nobody is let in: no loss of a
  connection, noticed or not, keeps a revoked key alive for longer.
* While the connection lives, a change is read as soon as it is announced: well within a second.
* Of a key only its digest is held, and compared in constant time.
* That a key was used is written at most once in `USE_WRITTEN_SECONDS` by a process, and no request waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import asyncpg
import structlog

from shared.access.callers import Caller
from shared.access.tokens import KEY, SESSION, Kind, digest_of, id_in
from shared.database.engine import CONNECT_TIMEOUT_SECONDS
from shared.service.end_tasks import end_tasks
from shared.service.telemetry import describe_error

log = structlog.get_logger(__name__)

CHANNEL: Final = "rollcall_keys"
TRUSTED_SECONDS: Final = 60.0
USE_WRITTEN_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 1.0
# A connection that is silently gone is noticed after this and the statement's time-out.
ALIVE_CHECK_SECONDS: Final = 10.0
STATEMENT_TIMEOUT_SECONDS: Final = 5.0
REREAD_TIMEOUT_SECONDS: Final = 5.0

_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_READ: Final = """
    SELECT 'rc' AS kind, id, name, scopes, digest, id AS key_id, expires_at
    FROM api_keys
    WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    UNION ALL
    SELECT 'rs', s.id, k.name, k.scopes, s.digest, k.id, LEAST(s.expires_at, k.expires_at)
    FROM key_sessions s
    JOIN api_keys k ON k.id = s.key_id
    WHERE k.revoked_at IS NULL AND s.expires_at > now() AND (k.expires_at IS NULL OR k.expires_at > now())
"""
_WRITE_USE: Final = """
    UPDATE api_keys SET last_used_at = now()
    WHERE id = ANY($1) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""


class KeysUnknown(Exception):
    """The database has not been heard of for so long that a key may have been revoked meanwhile."""


class _Entry(NamedTuple):
    digest: bytes
    caller: Caller
    expires: float  # as `time.time()` counts


class KeyDirectory:
    """`clock` is for tests."""

    def __init__(
        self, database_url: str, application_name: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database_url = database_url
        self._application_name = application_name
        self._clock = clock
        self._entries: dict[tuple[str, str], _Entry] = {}
        # Since when what is in memory may be outdated, by `clock`; nothing is known before the first reading.
        self._known_at = float("-inf")
        self._write_use_at: dict[str, float] = {}
        self._used: set[str] = set()
        self._rereads: list[asyncio.Future[None]] = []
        self._changed = False
        self._something_to_do = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Returns when the keys were read. Raises TimeoutError where the database does not answer."""
        self._task = asyncio.create_task(self._run(), name="api keys")
        await self.reread(timeout_seconds=CONNECT_TIMEOUT_SECONDS + REREAD_TIMEOUT_SECONDS)

    async def close(self) -> None:
        if self._task is not None:
            await end_tasks([self._task])

    def find(self, text: str, kind: Kind) -> Caller | None:
        """Whose key or session this is; None if it is none that is good. Raises `KeysUnknown`."""
        now = self._clock()
        if now - self._known_at > TRUSTED_SECONDS:
            raise KeysUnknown
        token_id = id_in(text, kind)
        entry = None if token_id is None else self._entries.get((kind, token_id))
        if entry is None or not hmac.compare_digest(entry.digest, digest_of(text)) or entry.expires <= time.time():
            return None
        self._note_use(str(entry.caller.key_id), now)
        return entry.caller

    def named(self, key_id: str) -> Caller | None:
        """Whose key this is, for who proves by other means to have it. Raises `KeysUnknown`."""
        now = self._clock()
        if now - self._known_at > TRUSTED_SECONDS:
            raise KeysUnknown
        entry = self._entries.get((KEY, key_id))
        if entry is None or entry.expires <= time.time():
            return None
        self._note_use(key_id, now)
        return entry.caller

    async def reread(self, *, timeout_seconds: float = REREAD_TIMEOUT_SECONDS) -> None:
        """Wait until what was committed before this call is known here. Raises TimeoutError."""
        read = asyncio.get_running_loop().create_future()
        self._rereads.append(read)
        self._hear_of_change()
        async with asyncio.timeout(timeout_seconds):
            await read

    def _note_use(self, key_id: str, now: float) -> None:
        if now >= self._write_use_at.get(key_id, float("-inf")):
            self._write_use_at[key_id] = now + USE_WRITTEN_SECONDS
            self._used.add(key_id)
            self._something_to_do.set()

    def _hear_of_change(self, *_: Any) -> None:
        self._changed = True
        self._something_to_do.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except _FAILURES as error:
                log.warning("API keys lost their connection", **describe_error(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._database_url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=STATEMENT_TIMEOUT_SECONDS,
            server_settings={"application_name": self._application_name},
        )
        # Its loss is to be noticed at once: whatever is to be done then fails, and a new one is made.
        connection.add_termination_listener(lambda _: self._something_to_do.set())
        try:
            # It listens before it reads, so that no change falls between the two.
            await connection.add_listener(CHANNEL, self._hear_of_change)
            self._changed = True
            while True:
                await self._read_or_prove_alive(connection)
                await self._write_uses(connection)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ALIVE_CHECK_SECONDS):
                        await self._something_to_do.wait()
                self._something_to_do.clear()
        finally:
            connection.terminate()

    async def _read_or_prove_alive(self, connection: asyncpg.Connection) -> None:
        asked_at = self._clock()
        if not self._changed:
            # What was announced before this was sent is heard before its answer.
            await connection.execute("SELECT 1")
        while self._changed:
            asked_at = self._clock()
            self._changed, waiting = False, self._rereads
            self._rereads = []
            try:
                rows = await connection.fetch(_READ)
            except BaseException:  # a cancel too: who waits is answered by the next reading
                self._changed, self._rereads = True, [*waiting, *self._rereads]
                raise
            self._entries = {(row["kind"], row["id"]): _entry(row) for row in rows}
            self._forget_uses()
            for each in waiting:
                if not each.done():
                    each.set_result(None)
        self._known_at = asked_at

    async def _write_uses(self, connection: asyncpg.Connection) -> None:
        if self._used:
            used, self._used = list(self._used), set()
            await connection.execute(_WRITE_USE, used)

    def _forget_uses(self) -> None:
        good = {entry.caller.key_id for entry in self._entries.values()}
        self._write_use_at = {key_id: at for key_id, at in self._write_use_at.items() if key_id in good}


def _entry(row: asyncpg.Record) -> _Entry:
    session_id = row["id"] if row["kind"] == SESSION else None
    assert row["kind"] in (KEY, SESSION)  # noqa: S101 - the query says so
    caller = Caller(row["name"], frozenset(row["scopes"]), row["key_id"], session_id)
    return _Entry(row["digest"], caller, row["expires_at"].timestamp() if row["expires_at"] else float("inf"))
