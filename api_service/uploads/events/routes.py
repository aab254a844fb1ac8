"""The route that tells how an upload moves, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse

from api_service.http.dependencies import EngineDep
from api_service.http.problems import DATABASE_PROBLEMS, ProblemCode, problem_responses
from api_service.uploads.documents import UploadDocument
from api_service.uploads.events.live_uploads import LiveUploads, Snapshot
from api_service.uploads.found import find_upload
from shared.service.bounded_http import end_with_the_service
from shared.upload_status import SETTLED_STATES

router = APIRouter(prefix="/v1", tags=["uploads"])

MEDIA_TYPE: Final = "text/event-stream"
# Sooner than proxies and firewalls take a silent connection for dead.
COMMENT_SECONDS: Final = 15.0
_COMMENT: Final = ": nothing new\n\n"
# The largest number that a revision can be; what is longer is none.
_REVISION_DIGITS: Final = 18


async def _live_uploads(request: Request) -> LiveUploads:
    return cast("LiveUploads", request.app.state.live_uploads)


LiveUploadsDep = Annotated[LiveUploads, Depends(_live_uploads)]


# Of each, as FastAPI and OpenAPI 3.2 describe them.
_EVENT: Final = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["progress", "finished"]},
        "id": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": f"#/components/schemas/{UploadDocument.__name__}"},
        },
    },
    "required": ["event", "id", "data"],
}


@router.get(
    "/uploads/{upload_id}/events",
    summary="Follow an upload until it is finished, as server-sent events",
    description="At once a `progress` with the upload as it is, then one whenever it has moved, and in the end one "
    "`finished`, after which the stream closes. The data of each is the upload as `GET /v1/uploads/{upload_id}` gives "
    "it, its id the upload's `revision`. `Last-Event-ID` says what is known already: who comes back with the id of "
    "`finished` gets 204, after which browsers stay away.",
    operation_id="followUpload",
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPE: {"itemSchema": _EVENT}}},
        204: {"description": "The upload is finished, and has not changed since `Last-Event-ID`."},
        **problem_responses(
            ProblemCode.UNKNOWN_UPLOAD, ProblemCode.INVALID_REQUEST, ProblemCode.SERVICE_BUSY, *DATABASE_PROBLEMS
        ),
    },
)
async def follow_upload(
    upload_id: UUID,
    request: Request,
    engine: EngineDep,
    live_uploads: LiveUploadsDep,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that came.")] = None,
) -> Response:
    upload = await find_upload(engine, upload_id)
    known = _revision(last_event_id)
    if known is not None and known >= upload.revision and upload.status in SETTLED_STATES:
        return Response(status_code=204)
    live_uploads.require_room()
    end_with_the_service(request.scope)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(live_uploads, upload_id, known), media_type=MEDIA_TYPE, headers=headers)


def _revision(event_id: str | None) -> int | None:
    """None where nothing is known, or what is no id of ours."""
    if event_id is None or not (event_id.isascii() and event_id.isdigit() and len(event_id) <= _REVISION_DIGITS):
        return None
    return int(event_id)


async def _events(live_uploads: LiveUploads, upload_id: UUID, known: int | None) -> AsyncIterator[str]:
    with live_uploads.following(upload_id) as live:
        while True:
            try:
                async with asyncio.timeout(COMMENT_SECONDS):
                    snapshot = await live.newer_than(known)
            except TimeoutError:
                yield _COMMENT
                continue
            if snapshot is None:
                return
            if known is None or not snapshot.is_final:
                yield _event("progress", snapshot)
            if snapshot.is_final:
                yield _event("finished", snapshot)
                return
            known = snapshot.revision


def _event(name: str, snapshot: Snapshot) -> str:
    return f"event: {name}\nid: {snapshot.revision}\ndata: {snapshot.document}\n\n"
