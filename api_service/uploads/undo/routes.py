"""The routes of undo: ask for one, and see what was kept."""

from uuid import UUID

from fastapi import APIRouter

from api_service.http.dependencies import EngineDep, PublisherDep, SettingsDep
from api_service.http.pagination import Listing, PagingDep, Total
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.uploads import queries as upload_queries
from api_service.uploads.documents import UploadDocument, upload_document
from api_service.uploads.found import require_known
from api_service.uploads.intake import announce
from api_service.uploads.undo import queries
from api_service.uploads.undo.documents import KeptRowDocument, kept_row_document

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


@router.get(
    "/uploads/{upload_id}/kept-rows",
    summary="List what an undo kept, in file order",
    description="The rows whose employees another upload changed before the undo came to them, and by which.",
    operation_id="listKeptRows",
    responses=problem_responses(
        ProblemCode.UNKNOWN_UPLOAD, ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, *DATABASE_PROBLEMS
    ),
)
async def list_kept_rows(upload_id: UUID, engine: EngineDep, paging: PagingDep) -> Listing[KeptRowDocument]:
    (after_row,) = paging.after(tuple[int]) or (0,)
    async with engine.connect() as connection:
        require_known(await upload_queries.upload_by_id(connection, upload_id))
        found = await queries.list_kept(
            connection, upload_id, after_row=after_row, offset=paging.offset, limit=paging.limit + 1
        )
    return paging.listing(found.rows, Total(found.total), key=lambda row: (row.row_number,), item=kept_row_document)
