"""The text of a stored upload, to be judged once more: the one that is read, or another sheet's of its workbook."""

from __future__ import annotations

import asyncio
import contextlib
import io
import uuid
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from api_service.uploads.judgement import blocks_of
from api_service.uploads.options import UploadOptions, form_fields
from api_service.uploads.unpacking.file_kinds import Packing, packing_of
from api_service.uploads.unpacking.unpacker import TWIN_SUFFIX, Unpacked, Unpacker, refuse_needless
from shared.rows.byte_check import HEAD_BYTES, ByteCheck
from shared.upload_store import UploadStore

_LINE_END: Final = b"\n"


class SheetHead(NamedTuple):
    """The first part of a sheet as text, whole lines of it."""

    name: str
    content: bytes
    check: ByteCheck


class _Enough(Exception):
    """The converter is ended, and not waited for."""


class StoredText:
    """Of one upload under the options that it is to be judged by. Everything raises the store's errors.

    Raises `Problem` at once for an option that does nothing for such a file.
    """

    def __init__(self, store: UploadStore, unpacker: Unpacker, upload: Row[Any], options: UploadOptions) -> None:
        self._store = store
        self._unpacker = unpacker
        self._upload = upload
        self._options = options
        is_workbook = upload.sheet is not None
        refuse_needless(options.format, options.sheet, is_workbook=is_workbook)
        self.is_other_sheet = is_workbook and options.sheet != form_fields(upload.options or {}).get("sheet")

    async def check_whole(self) -> ByteCheck:
        """As the intake saw the text that is stored."""
        return await asyncio.to_thread(self._check, None)

    async def check_head(self) -> ByteCheck:
        """Of a text that is longer it has seen no more than the first part."""
        return await asyncio.to_thread(self._check, HEAD_BYTES)

    def _check(self, most_bytes: int | None) -> ByteCheck:
        check = ByteCheck()
        with self._store.open_blocking(self._upload.object_key) as file:
            for block in blocks_of(file):
                check.update(block)
                if most_bytes is not None and check.size > most_bytes:
                    # Not finished: it may end in the midst of a character.
                    return check
        check.finish()
        return check

    async def unpack_sheet(self, room: AbstractAsyncContextManager[None]) -> Unpacked:
        """Store the text of the sheet under a key of its own, beside the one that the upload has until it commits."""
        twin = f"{self._upload.id}.{uuid.uuid4().hex[:8]}{TWIN_SUFFIX}"
        return await self._unpacker.unpack(
            self._upload.original_key,
            await self._packing(),
            room,
            size=self._upload.original_bytes,
            options=self._options.format,
            sheet=self._options.sheet,
            twin=twin,
        )

    async def sheet_head(self) -> SheetHead:
        """Nothing is stored."""
        name, content, is_whole = "", bytearray(), False
        reading = self._unpacker.reading(
            self._upload.original_key,
            await self._packing(),
            size=self._upload.original_bytes,
            options=self._options.format,
            sheet=self._options.sheet,
        )
        with contextlib.suppress(_Enough):
            async with reading as (_, sheet, blocks):
                name = sheet or ""
                async for block in blocks:
                    content += block
                    if len(content) > HEAD_BYTES:
                        raise _Enough
            is_whole = True
        check = ByteCheck()
        check.update(bytes(content))
        check.hold_head(io.BytesIO(content))
        if is_whole:
            check.finish()
        else:
            del content[content.rfind(_LINE_END) + 1 :]
        return SheetHead(name, bytes(content), check)

    async def _packing(self) -> Packing:
        async with contextlib.aclosing(_blocks(self._store, self._upload.original_key)) as blocks:
            packing = packing_of(await anext(blocks, b""))
        assert packing is not None  # noqa: S101 - it was unpacked before
        return packing


async def _blocks(store: UploadStore, key: str) -> AsyncGenerator[bytes, None]:
    async for block in store.stream(key):
        yield block
