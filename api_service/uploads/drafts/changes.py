"""Changes what is said of a draft, and judges its stored file anew, whole, as if it had just been sent so."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.patient_budget import UploadRoom
from api_service.http.problems import Problem, ProblemCode
from api_service.settings import ApiSettings
from api_service.uploads.absent_options import NO_VALUES
from api_service.uploads.drafts.queries import change_draft
from api_service.uploads.drafts.stored_text import StoredText
from api_service.uploads.judgement import BLOCK_BYTES, FormatJudge, format_values, storable_json
from api_service.uploads.options import UploadOptions, form_fields, given_options, parse_options
from api_service.uploads.unpacking.unpacker import Unpacked, Unpacker, format_options
from api_service.uploads.unpacking.workbooks import Workbooks
from shared.rows.byte_check import ByteCheck
from shared.service.failpoints import Failpoints
from shared.service.telemetry import describe_error
from shared.upload_store import StoreUnavailable, UploadStore

log = structlog.get_logger(__name__)


class DraftChanger:
    def __init__(
        self,
        engine: AsyncEngine,
        store: UploadStore,
        workbooks: Workbooks,
        settings: ApiSettings,
        room: UploadRoom,
        failpoints: Failpoints,
    ) -> None:
        self._engine = engine
        self._store = store
        self._unpacker = Unpacker(store, workbooks, settings)
        self._judge = FormatJudge(store, room)
        self._settings = settings
        self._room = room
        self._failpoints = failpoints

    async def change(self, draft: Row[Any], given: dict[str, Any]) -> Row[Any]:
        """The draft as it is from now on. Raises `Problem` as well when somebody changed or started it meanwhile,
        FileProblem for what a draft cannot be, `BudgetSpent` and the store's errors; then nothing is changed.
        """
        fields = form_fields({**(draft.options or {}), **given})
        options = parse_options(fields, most_rejects=self._settings.most_rejects)
        text = StoredText(self._store, self._unpacker, draft, options)
        unpacked = await text.unpack_sheet(self._writing_room()) if text.is_other_sheet else None
        keep = False
        try:
            check = await text.check_whole() if unpacked is None else unpacked.check
            values = await self._values(draft, options, check, unpacked)
            values["options"] = storable_json(given_options(fields))
            self._failpoints.hit("api.before_draft_change")
            async with self._engine.begin() as connection:
                changed = await change_draft(connection, draft, values)
                # A commit that fails may have happened. Then the retention finds the file that no upload needs.
                keep = changed is not None
            if changed is None:
                raise Problem(
                    ProblemCode.REVISION_CHANGED, "The draft was changed or started meanwhile: look at it again."
                )
        finally:
            if unpacked is not None and not keep:
                await asyncio.shield(self._discard(unpacked.key))
        if unpacked is not None:
            await self._discard(draft.object_key)
        return changed

    async def _values(
        self, draft: Row[Any], options: UploadOptions, check: ByteCheck, unpacked: Unpacked | None
    ) -> dict[str, Any]:
        is_sheet = draft.sheet is not None
        key = draft.object_key if unpacked is None else unpacked.key
        judged = await self._judge.judge(key, check, format_options(options.format, is_sheet=is_sheet), is_draft=True)
        values: dict[str, Any] = {
            "on_duplicate": options.on_duplicate,
            "max_rejects": self._settings.max_rejects if options.max_rejects is None else options.max_rejects,
            **(options.absent.values() if options.absent else NO_VALUES),
            **format_values(judged),
        }
        if unpacked is not None:
            values |= {
                "object_key": unpacked.key,
                "byte_count": unpacked.check.size,
                "sha256": unpacked.sha256,
                "sheet": unpacked.sheet,
            }
        return values

    def _writing_room(self) -> AbstractAsyncContextManager[None]:
        most = self._settings.max_upload_bytes
        return self._room.large.holding(3 * BLOCK_BYTES + self._store.writer_bytes(most))

    async def _discard(self, key: str) -> None:
        try:
            await self._store.delete(key)
        except StoreUnavailable as error:
            log.warning("stored text of a sheet left to the retention", file=key, **describe_error(error))
