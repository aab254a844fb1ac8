"""The route that asks for an undo; what it kept is among the upload's rows."""

from uuid import UUID

from fastapi import APIRouter

from api_service.http.dependencies import EngineDep, PublisherDep, SettingsDep
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.uploads.documents import UploadDocument, upload_document
from api_service.uploads.found import require_known
from api_service.uploads.intake import announce
from api_service.uploads.undo import queries

router = APIRouter(prefix="/v1", tags=["uploads"])


@router.post(
    "/uploads/{upload_id}/undo",
    summary="Take back what an upload did",
    description="Of the employees that it wrote, those that still stand as it inserted them are `deleted`, those that "
    "still stand as it updated them are `restored` to what they were, and those that another upload changed since are "
    "`kept`, and listed. Uploads can be undone in any order. Safe to repeat until it is `undone`.",
    operation_id="undoUpload",
    status_code=202,
    responses=problem_responses(
        ProblemCode.UNKNOWN_UPLOAD,
        ProblemCode.NOT_FINISHED,
        ProblemCode.ALREADY_UNDONE,
        ProblemCode.UNDO_EXPIRED,
        ProblemCode.INVALID_REQUEST,
        *DATABASE_PROBLEMS,
    ),
)
async def undo_upload(
    upload_id: UUID, engine: EngineDep, publisher: PublisherDep, settings: SettingsDep
) -> UploadDocument:
    async with engine.begin() as connection:
        upload = require_known(await queries.request_undo(connection, upload_id))
    if upload.status == "undoing":
        await announce(publisher, upload_id, settings.announce_timeout_seconds)
        return upload_document(upload)
    if upload.status == "undone":
        raise Problem(ProblemCode.ALREADY_UNDONE, "It was undone already; its kept rows say what was not.")
    if upload.finished_at is None:
        raise Problem(ProblemCode.NOT_FINISHED, f"The upload is {upload.status}: it can be undone once it is finished.")
    raise Problem(
        ProblemCode.UNDO_EXPIRED,
        "What it replaced is kept no longer, or was not kept when it ran. Upload a file with the right values, with "
        "onDuplicate=update.",
    )
