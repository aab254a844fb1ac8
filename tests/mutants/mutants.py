"""Rollcall with one safeguard taken out, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Change:
    """`before` stands exactly once in the file."""

    file: str
    before: str
    after: str

    def apply(self, checkout: Path) -> None:
        """Raises ValueError when the code has moved on and the change no longer fits."""
        path = checkout / self.file
        code = path.read_text()
        if code.count(self.before) != 1:
            raise ValueError(f"{self.file} has this {code.count(self.before)} times, not once:\n{self.before}")
        path.write_text(code.replace(self.before, self.after))


@dataclass(frozen=True)
class Mutant:
    """`tests` are pytest's arguments; at least one of them has to fail."""

    safeguard: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


_DELIVERY: Final = "consumer_service/delivery.py"

MUTANTS: Final = (
    Mutant(
        "a request is taken only as somebody with the key signed it",
        (Change(_DELIVERY, "            self._signatures.require(message, Purpose.REQUEST)\n", ""),),
        ("tests/integration/consumer_service/test_signed_messages.py",),
    ),
    Mutant(
        "files that a restored database does not know are kept while the mark stands",
        (
            Change(
                "api_service/operations/unknown_files.py", "if unknown and await store.exists(RESTORED_KEY)", "if False"
            ),
        ),
        ("tests/integration/api_service/operations/test_unknown_files.py",),
    ),
    Mutant(
        "an upload is finished under the lock that chunks in flight hold",
        (Change("producer_service/uploads/upload_state.py", "finished_at IS NULL FOR UPDATE", "finished_at IS NULL"),),
        ("tests/integration/producer_service/uploads/test_upload_state.py",),
    ),
    Mutant(
        "a message is acknowledged after the commit",
        (
            Change(
                _DELIVERY,
                "            await self._handle(request, message)\n",
                "            await acknowledge(message)\n            await self._handle(request, message)\n",
            ),
            Change(
                _DELIVERY,
                "        await acknowledge(message)\n        self._holds.reset()\n",
                "        self._holds.reset()\n",
            ),
        ),
        (
            "tests/integration/consumer_service/test_delivery.py",
            "tests/acceptance/test_killed_processes.py",
            "-k",
            "given_back or killed_at_any_step_of_a_chunk",
        ),
    ),
    Mutant(
        "a chunk that the ledger has is rolled back",
        (
            Change(
                "shared/database/ledger.py",
                "    return bool(inserted.scalar_one())\n",
                "    return inserted is not None\n",
            ),
        ),
        ("tests/integration/consumer_service/test_ledger.py",),
    ),
    Mutant(
        "publishes wait for the broker's confirm",
        (
            Change(
                "shared/amqp/publish_many.py",
                "    for confirm in confirms:\n        await confirm\n",
                "",
            ),
        ),
        ("tests/integration/shared/amqp/test_publisher.py",),
    ),
    Mutant(
        "a letter leaves the outbox once the broker has confirmed it",
        (
            Change(
                "consumer_service/dead_letters.py",
                "        if not await _publish(publisher, letters):\n"
                '            log.warning("no room for dead letters: they wait", entries=len(unpublished))\n'
                "            return\n        async with engine.connect() as plain:\n",
                "        async with engine.connect() as plain:\n",
            ),
            Change(
                "consumer_service/dead_letters.py",
                '            await connection.execute(_FORGET, {"entry_id": entry_id})\n        del unpublished[0]',
                '            await connection.execute(_FORGET, {"entry_id": entry_id})\n'
                "        await _publish(publisher, letters)\n        del unpublished[0]",
            ),
        ),
        ("tests/integration/consumer_service/test_dead_letters.py",),
    ),
    Mutant(
        "a message that met a database error goes back to its queue",
        (
            Change(
                _DELIVERY,
                "never arrives here, so it is ours\n",
                "never arrives here, so it is ours\n            await message.reject(requeue=False)\n",
            ),
        ),
        ("tests/integration/consumer_service/test_delivery.py", "-k", "given_back"),
    ),
    Mutant(
        "a producer proves its fencing number before it finishes an upload",
        (Change("producer_service/uploads/leases.py", "if fence != lease.fence:", "if fence is None:"),),
        ("tests/integration/producer_service/uploads/test_upload_state.py",),
    ),
)
