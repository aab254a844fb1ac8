"""Takes uploads in: a body streams into the store while it is judged, then a row of `uploads` makes it an upload."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import traceback
import uuid
from collections.abc import AsyncIterator, Collection
from typing import Any, NamedTuple

import structlog
from fastapi import Request
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import ClientDisconnect

from api_service.http.disconnect import cancel_on_disconnect
from api_service.http.patient_budget import PRESSED_BYTES_PER_SECOND, PRESSED_PAUSE_SECONDS, PatientBudget, UploadRoom
from api_service.http.problems import Problem, ProblemCode
from api_service.settings import ApiSettings
from api_service.uploads.absent_options import NO_VALUES
from api_service.uploads.judgement import BLOCK_BYTES, FormatJudge, Judged, format_values, storable_json
from api_service.uploads.multipart_form import FormReader
from api_service.uploads.options import FIELD_NAMES, UploadOptions, given_options, parse_options
from api_service.uploads.queries import insert_upload, upload_with_key
from api_service.uploads.stored_share import StoredShare
from api_service.uploads.unpacking.file_kinds import Packing, packing_of
from api_service.uploads.unpacking.unpacker import Unpacked, Unpacker, format_options, refuse_needless, twin_key
from api_service.uploads.unpacking.workbooks import Workbooks
from shared.access.callers import Caller, caller_in
from shared.amqp.connection import BrokerUnavailable
from shared.amqp.publisher import Publisher
from shared.amqp.topology import UPLOADS_EXCHANGE, UPLOADS_QUEUE
from shared.database.engine import DATABASE_ERRORS
from shared.messages import UploadAnnounced, encode
from shared.rows.format_judge import ByteCheck
from shared.service.telemetry import describe_error
from shared.store_identity import StoreIdentity
from shared.upload_store import ObjectWriter, StoreFull, StoreUnavailable, UploadStore

log = structlog.get_logger(__name__)

FILE_FIELD = "employee_data"
# A body may be so much larger than its file, for the boundaries and the other fields.
FORM_BYTES = 256 * 1024
# A client that is refused in the middle still sends; closing at once would reset its connection before it has read why.
LINGER_SECONDS = 2
LINGER_BYTES = 64 * 1024 * 1024


class ReceivedFile(NamedTuple):
    filename: str
    sha256: str
    check: ByteCheck
    options: UploadOptions
    fields: dict[str, str]


class ReadableFile(NamedTuple):
    """The text that an upload is read from: what was received, or what was unpacked from it."""

    key: str
    sha256: str
    check: ByteCheck
    judged: Judged
    unpacked: Unpacked | None = None


class Intake:
    """Takes one upload from its request to its row; of all that fails nothing stays in the store."""

    def __init__(
        self,
        engine: AsyncEngine,
        store: UploadStore,
        store_identity: StoreIdentity,
        workbooks: Workbooks,
        settings: ApiSettings,
        room: UploadRoom,
    ) -> None:
        self._engine = engine
        self._store = store
        self._store_identity = store_identity
        self._unpacker = Unpacker(store, workbooks, settings)
        self._settings = settings
        self._room = room
        self._judge = FormatJudge(store, room)
        self._share = StoredShare(settings)

    async def take(self, request: Request, idempotency_key: str | None) -> tuple[Row[Any], bool]:
        """The upload, and whether it is new: not when the same request with this key came before.

        Raises `Problem`, FileProblem, `BudgetSpent`, the store's and the database's errors.
        """
        upload_id = uuid.uuid4()
        name = caller_in(request.scope).name
        received, packing = await self._stored(request, str(upload_id), FIELD_NAMES)
        keep = False
        try:
            file = await self._readable(request, str(upload_id), received, packing)
            values = self._row_values(upload_id, received, file, idempotency_key, caller_in(request.scope))
            # Another store may have been in its place while the body came, and have the file.
            for key in dict.fromkeys([str(upload_id), file.key]):
                await self._store_identity.require_file(key)
            async with self._engine.connect() as connection:
                await self._share.take_turn(connection, name)
                inserted = await insert_upload(connection, values)
                if inserted is not None:
                    await self._share.require_fits(connection, name)
                    # A commit that fails may have happened. Then the retention finds out whether a row needs the file.
                    keep = True
                    await connection.commit()
                    return inserted, True
                return await self._first_with_key(connection, values), False
        finally:
            if not keep:
                await asyncio.shield(self._discard(str(upload_id)))

    async def _stored(
        self, request: Request, key: str, field_names: Collection[str]
    ) -> tuple[ReceivedFile, Packing | None]:
        """The file of the body, in the store under this key; of a refused one nothing stays there."""
        reader = FormReader(request.headers.get("content-type"), FILE_FIELD, field_names)
        length = self._refuse_by_length(request.headers.get("content-length"))
        stream = request.stream()
        try:
            if "idempotency-key" not in request.headers:
                # A repetition brings nothing new.
                await self._share.require_room(self._engine, caller_in(request.scope).name)
            await self._store_identity.require()
            # Nothing is read before there is room for what a writer holds.
            room = self._room.of(length)
            async with (
                room.holding(_held_bytes(length) + self._store.writer_bytes(length)),
                self._store.writing(key) as writer,
            ):
                received = await self._receive(self._paced(stream, room), reader, writer)
                packing = packing_of(received.check.start)
                if room.is_pressed:
                    # Its room is others' from now on, and many may wait like this one to be judged.
                    received.check.let_head_go()
                return received, packing
        except (Problem, StoreFull, StoreUnavailable, *DATABASE_ERRORS) as refusal:
            if not (isinstance(refusal, Problem) and refusal.code is ProblemCode.BODY_TIMEOUT):
                # Its room is others' by now: what was on its way to the store goes, too.
                reader.file_bytes.clear()
                traceback.clear_frames(refusal.__traceback__)
                await _linger(stream)
            raise

    async def _readable(
        self, request: Request, key: str, received: ReceivedFile, packing: Packing | None
    ) -> ReadableFile:
        options = received.options
        unpacked = None
        file_key, check, sha256 = key, received.check, received.sha256
        if packing is None:
            refuse_needless(options.format, options.sheet, is_workbook=False)
        else:
            most = self._settings.max_upload_bytes
            room = self._room.large.holding(_held_bytes(most) + self._store.writer_bytes(most))
            unpacking = self._unpacker.unpack(
                key, packing, room, size=check.size, options=options.format, sheet=options.sheet
            )
            # It may take a minute, which is not spent for a client that has gone.
            unpacked = await cancel_on_disconnect(request, unpacking)
            file_key, check, sha256 = unpacked.key, unpacked.check, unpacked.sha256
        told = format_options(options.format, is_sheet=unpacked is not None and unpacked.sheet is not None)
        judged = await self._judge.judge(file_key, check, told, is_draft=options.is_draft)
        return ReadableFile(file_key, sha256, check, judged, unpacked)

    def _refuse_by_length(self, content_length: str | None) -> int:
        """How long the body may become."""
        most = self._settings.max_upload_bytes + FORM_BYTES
        length = most if content_length is None else int(content_length)
        if length > most:
            raise self._too_large()
        return length

    async def _paced(self, stream: AsyncIterator[bytes], room: PatientBudget) -> AsyncIterator[bytes]:
        """The body, as long as it is neither too slow nor too large."""
        clock = asyncio.get_running_loop().time
        begin = clock()
        size = 0
        while True:
            try:
                block = await room.next_block(stream, pause_seconds=self._settings.body_timeout_seconds)
            except TimeoutError:
                raise self._too_slow() from None
            if block is None:
                return
            size += len(block)
            if size > self._settings.max_upload_bytes + FORM_BYTES:
                raise self._too_large()
            if self._is_too_slow(size, clock() - begin, is_pressed=room.is_pressed):
                raise self._too_slow()
            yield block

    def _is_too_slow(self, size: int, seconds: float, *, is_pressed: bool) -> bool:
        settings = self._settings
        if is_pressed and size < (seconds - PRESSED_PAUSE_SECONDS) * PRESSED_BYTES_PER_SECOND:
            return True
        return size < (seconds - settings.body_timeout_seconds) * settings.body_least_bytes_per_second

    async def _receive(self, body: AsyncIterator[bytes], reader: FormReader, writer: ObjectWriter) -> ReceivedFile:
        digest = hashlib.sha256()
        check = ByteCheck()

        async def absorb() -> None:
            block = bytes(reader.file_bytes)
            reader.file_bytes.clear()
            digest.update(block)
            check.update(block)
            if check.size > self._settings.max_upload_bytes:
                raise self._too_large()
            await writer.write(block)

        async for block in body:
            reader.feed(block)
            if len(reader.file_bytes) >= BLOCK_BYTES:
                await absorb()
        fields = reader.finish()
        if reader.file_bytes:
            await absorb()
        check.finish()
        options = parse_options(fields, most_rejects=self._settings.most_rejects)
        return ReceivedFile(reader.filename or "", digest.hexdigest(), check, options, fields)

    async def _first_with_key(self, connection: AsyncConnection, values: dict[str, Any]) -> Row[Any]:
        first = await upload_with_key(connection, values["idempotency_key"])
        if first is None:
            # Deleted between the two statements; a moment earlier this would have been a new upload.
            raise Problem(ProblemCode.DATABASE_BUSY, "The first upload with this key was just deleted: try again.")
        if first.idempotency_fingerprint != values["idempotency_fingerprint"]:
            raise Problem(
                ProblemCode.IDEMPOTENCY_KEY_REUSED,
                "An upload with this Idempotency-Key has other content or options: use a new key for a new upload.",
                errors=[{"location": "header.Idempotency-Key", "detail": f"first used by upload {first.id}"}],
            )
        return first

    def _row_values(
        self,
        upload_id: uuid.UUID,
        received: ReceivedFile,
        file: ReadableFile,
        idempotency_key: str | None,
        caller: Caller,
    ) -> dict[str, Any]:
        options = received.options
        fingerprint = options.fingerprint(received.sha256) if idempotency_key is not None else None
        if fingerprint is not None and caller.name is not None:
            # What one caller has sent is no answer for another.
            fingerprint = f"{fingerprint} of {caller.name}"
        return {
            "id": upload_id,
            "status": "draft" if options.is_draft else "queued",
            "on_duplicate": options.on_duplicate,
            "filename": received.filename,
            "object_key": file.key,
            "byte_count": file.check.size,
            "sha256": file.sha256,
            **_original(upload_id, received, file.unpacked),
            **format_values(file.judged),
            "chunk_rows": self._settings.chunk_rows,
            "max_rejects": self._settings.max_rejects if options.max_rejects is None else options.max_rejects,
            **(options.absent.values() if options.absent else NO_VALUES),
            "options": storable_json(given_options(received.fields)),
            "idempotency_key": idempotency_key,
            "idempotency_fingerprint": fingerprint,
            "uploaded_by": caller.name,
        }

    async def _discard(self, key: str) -> None:
        try:
            await self._store.delete(key)
            await self._store.delete(twin_key(key))
        except StoreUnavailable as error:
            log.warning("stored file left to the retention", upload_id=key, **describe_error(error))

    def _too_large(self) -> Problem:
        return Problem(
            ProblemCode.TOO_LARGE, f"A file may have {self._settings.max_upload_bytes} bytes: split it and send parts."
        )

    def _too_slow(self) -> Problem:
        return Problem(
            ProblemCode.BODY_TIMEOUT,
            f"The body paused for more than {self._settings.body_timeout_seconds:g} s, or came at less than "
            f"{self._settings.body_least_bytes_per_second} bytes/s, or too slowly while others waited: send it again.",
            headers={"Connection": "close"},
        )


async def announce(publisher: Publisher, upload_id: uuid.UUID, timeout_seconds: float) -> None:
    """Tell the producers. Only a hint: without it their sweeper finds the upload a little later."""
    body = encode(UploadAnnounced(upload_id=upload_id))
    try:
        async with asyncio.timeout(timeout_seconds):
            await publisher.publish(UPLOADS_EXCHANGE, UPLOADS_QUEUE, body)
    except (BrokerUnavailable, TimeoutError):
        log.warning("upload not announced, left to the sweeper", upload_id=str(upload_id))


async def _linger(stream: AsyncIterator[bytes]) -> None:
    left = LINGER_BYTES
    with contextlib.suppress(ClientDisconnect, TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            async for block in stream:
                left -= len(block)
                if left < 0:
                    return


def _original(upload_id: uuid.UUID, received: ReceivedFile, unpacked: Unpacked | None) -> dict[str, Any]:
    """What was sent, where that is not what is read."""
    if unpacked is None:
        return {}
    return {
        "original_key": str(upload_id),
        "original_bytes": received.check.size,
        "original_sha256": received.sha256,
        "original_kind": unpacked.kind,
        "sheet": unpacked.sheet,
    }


def _held_bytes(length: int) -> int:
    """What an upload holds besides its writer: a block as it comes, as it fills, and on its way; and a small rest."""
    return 3 * min(length, BLOCK_BYTES) + FORM_BYTES // 2
