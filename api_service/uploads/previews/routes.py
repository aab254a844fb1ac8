"""The route that asks for a preview; what it finds is among the upload's rows and rejects."""

from uuid import UUID

from fastapi import APIRouter, Response

from api_service.http.dependencies import EngineDep, FailpointsDep, PublisherDep, SettingsDep
from api_service.http.problems import DATABASE_PROBLEMS, ProblemCode, problem_responses
from api_service.uploads.documents import UploadDocument, upload_document
from api_service.uploads.drafts.queries import lock_upload
from api_service.uploads.drafts.revision import ConditionDep, etag
from api_service.uploads.found import require_draft, require_known, require_no_problem
from api_service.uploads.intake import announce
from api_service.uploads.previews.queries import request_preview

router = APIRouter(prefix="/v1", tags=["uploads"])


@router.post(
    "/uploads/{upload_id}/preview",
    summary="Find out what a draft would do, and do nothing",
    description="Its rows go the whole way of an upload's, and are noted instead of written: no employee and no dead "
    "letter comes of it. Once it is `previewed`, its `preview` says what would be inserted, updated, duplicate and "
    "rejected, `rows`, `results.csv`, `rejects` and `rejects.csv` say it of each row, and `start` with `ifUnchanged` "
    "starts exactly that. It can be changed, which makes it a draft again, and previewed again.",
    operation_id="previewUpload",
    status_code=202,
    responses=problem_responses(
        ProblemCode.UNKNOWN_UPLOAD,
        ProblemCode.NOT_A_DRAFT,
        ProblemCode.DRAFT_HAS_PROBLEM,
        ProblemCode.REVISION_CHANGED,
        ProblemCode.INVALID_REQUEST,
        *DATABASE_PROBLEMS,
    ),
)
async def preview_upload(
    upload_id: UUID,
    response: Response,
    engine: EngineDep,
    publisher: PublisherDep,
    settings: SettingsDep,
    failpoints: FailpointsDep,
    condition: ConditionDep,
) -> UploadDocument:
    async with engine.begin() as connection:
        upload = require_known(await lock_upload(connection, upload_id))
        if upload.status != "previewing":
            require_draft(upload)
            if condition is not None:
                condition.require(upload)
            require_no_problem(upload)
            upload = await request_preview(connection, upload_id)
    failpoints.hit("api.before_announce")
    await announce(publisher, upload_id, settings.announce_timeout_seconds)
    response.headers["Location"] = f"/v1/uploads/{upload_id}"
    response.headers["ETag"] = etag(upload)
    return upload_document(upload)
