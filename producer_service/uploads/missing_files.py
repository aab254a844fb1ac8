"""Judges a file that was not found: only in the right store, and only after a while, is it gone for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from producer_service.uploads import leases
from shared.errors import FileCode, FileProblem, RollcallError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from producer_service.uploads.leases import Lease
    from shared.store_identity import StoreIdentity


class FileNotFoundYet(RollcallError):
    """The store is the right one and lacks the file, but not for long: a copy or a mount may be under way."""


async def judge_missing_file(
    engine: AsyncEngine, store_identity: StoreIdentity, lease: Lease, *, patience_seconds: float
) -> FileProblem:
    """The end of the upload. Raises `FileNotFoundYet` before it is that, and `WrongStore`."""
    await store_identity.require()
    async with engine.begin() as connection:
        seconds = await leases.note_missing_file(connection, lease)
    if seconds < patience_seconds:
        raise FileNotFoundYet(f"missing for {seconds:.0f} s")
    return FileProblem(
        FileCode.FILE_MISSING,
        "The stored file is gone. Rows read before that are accounted for; upload the file again.",
    )


async def note_found_file(engine: AsyncEngine, lease: Lease) -> None:
    """Should it go missing once more, it is waited for as long again."""
    if lease.file_was_missing:
        async with engine.begin() as connection:
            await leases.note_found_file(connection, lease)
