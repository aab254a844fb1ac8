"""People who are not to come in again: known by keyed hashes of their emails, so that the table names nobody.

The key is a setting of the services, and no dump of the database has it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

from shared.errors import TryAgainLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr
    from sqlalchemy.ext.asyncio import AsyncConnection

_KEY_ID: Final = b"rollcall erasure key"
_SHORT: Final = 16

# For who asks for something else in the same round trip.
SUPPRESSION_STATE: Final = "SELECT count(*) AS number, coalesce(max(id), 0) AS newest FROM suppressions"

_STATE = text(SUPPRESSION_STATE)
_PEOPLE = text("SELECT person, key_id FROM suppressions")


class ErasureKeyWrong(TryAgainLater):
    """There are suppressed people, and this process cannot tell who: it must let nobody in."""


class SuppressionState(NamedTuple):
    """How many people are suppressed, and the id of the newest: another one whenever anything has changed."""

    number: int = 0
    newest: int = 0


class PersonHash:
    """BLAKE2b with the key, of folded emails, as hexadecimal digits."""

    def __init__(self, key: SecretStr) -> None:
        self._keyed = hashlib.blake2b(key=hashlib.sha256(key.get_secret_value().encode()).digest(), digest_size=32)
        # Which key it was, so that another one is noticed. It does not tell the key.
        self.key_id = self._of(_KEY_ID)[:_SHORT]

    def of(self, email: str) -> str:
        return self._of(email.encode())

    def _of(self, content: bytes) -> str:
        keyed = self._keyed.copy()
        keyed.update(content)
        return keyed.hexdigest()


class Suppressions:
    """As a process knows them, who asks in each transaction whether that is still so."""

    def __init__(self, key: SecretStr | None) -> None:
        self._hash = None if key is None else PersonHash(key)
        self._state = SuppressionState()
        self._people: frozenset[str] = frozenset()

    async def read(
        self, connection: AsyncConnection, state: SuppressionState | None = None
    ) -> Callable[[str], bool] | None:
        """Whether a folded email is that of a suppressed person; None while there are none.

        The transaction must have written or locked something before the state is read, which it is here unless it is
        given. Then an erasure that this reading does not see waits for the transaction's end (docs/erasure.md). Raises
        `ErasureKeyWrong`.
        """
        if state is None:
            state = SuppressionState(*(await connection.execute(_STATE)).one())
        if not state.number:
            return None
        if state != self._state:
            await self._load(connection)
            self._state = state
        person_hash, people = self._require_hash(), self._people
        return lambda email: person_hash.of(email) in people

    async def _load(self, connection: AsyncConnection) -> None:
        person_hash = self._require_hash()
        rows = (await connection.execute(_PEOPLE)).all()
        if any(row.key_id != person_hash.key_id for row in rows):
            raise ErasureKeyWrong("ROLLCALL_ERASURE_KEY is not the one that people were erased with")
        self._people = frozenset(row.person for row in rows)

    def _require_hash(self) -> PersonHash:
        if self._hash is None:
            raise ErasureKeyWrong("people were erased, and ROLLCALL_ERASURE_KEY is not set")
        return self._hash
