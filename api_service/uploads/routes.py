"""The routes of uploads: take one, follow it, download its rejects and its file, cancel and delete it."""

import asyncio
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from api_service.http.csv_download import attachment, csv_attachment, stream_csv, stream_file
from api_service.http.dependencies import (
    CallerDep,
    EngineDep,
    FailpointsDep,
    PublisherDep,
    SettingsDep,
    StoreIdentityDep,
    UploadStoreDep,
)
from api_service.http.memory import MemoryDep
from api_service.http.pagination import Listing, PagingDep, Total
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.uploads import queries
from api_service.uploads.dependencies import WorkbooksDep
from api_service.uploads.documents import RejectDocument, UploadDocument, reject_document, upload_document
from api_service.uploads.drafts.revision import etag
from api_service.uploads.form_description import FILE_REFUSALS, INTAKE_BODY
from api_service.uploads.found import find_upload, require_known
from api_service.uploads.intake import Intake, announce
from api_service.uploads.rejects_csv import rejects_csv
from api_service.uploads.report_columns import FileColumns
from api_service.uploads.templates import Language, template_csv, template_xlsx
from api_service.uploads.undo.queries import loses_undo
from shared.errors import RowCode
from shared.upload_status import HELD_STATES, PROCESSED_STATES, RESTING_STATES, UploadStatus
from shared.upload_store import ObjectMissing

router = APIRouter(prefix="/v1", tags=["uploads"])

INTAKE_PATH = "/v1/employee-data-upload"

# By what an upload was converted from.
MEDIA_TYPES = {
    "gzip": "application/gzip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xlsm": "application/vnd.ms-excel.sheet.macroEnabled.12",
    "xlsb": "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
    "xls": "application/vnd.ms-excel",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
}
TemplateLanguage = Annotated[
    Language | None,
    Query(description="Of the header, and of the Excel that opens it: a CSV has its delimiter and a byte order mark."),
]
CSV_RESPONSE = {"content": {"text/csv": {"schema": {"type": "string"}}}}


@router.post(
    "/employee-data-upload",
    summary="Take a CSV of employees",
    description="The rows are processed after the answer: follow the address in `Location`. A request that is refused "
    "leaves nothing behind. With `start=draft` the file is stored and judged, and nothing is done with it before "
    "`POST /v1/uploads/{id}/start`; what options can mend is then the draft's `problem` and no refusal.",
    operation_id="createUpload",
    status_code=202,
    responses={
        200: {"model": UploadDocument, "description": "This request came before with the same Idempotency-Key."},
        **problem_responses(
            ProblemCode.MALFORMED_FORM,
            ProblemCode.BODY_TIMEOUT,
            ProblemCode.TOO_LARGE,
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.MISSING_FILE,
            ProblemCode.SEVERAL_FILES,
            ProblemCode.IDEMPOTENCY_KEY_REUSED,
            ProblemCode.TOO_MUCH_STORED,
            ProblemCode.SERVICE_BUSY,
            *FILE_REFUSALS,
            *DATABASE_PROBLEMS,
            ProblemCode.CONVERSION_BUSY,
            ProblemCode.STORAGE_UNAVAILABLE,
            ProblemCode.WRONG_STORAGE,
            ProblemCode.STORAGE_FULL,
        ),
    },
    openapi_extra={"requestBody": INTAKE_BODY},
)
async def create_upload(
    request: Request,
    response: Response,
    engine: EngineDep,
    publisher: PublisherDep,
    store: UploadStoreDep,
    store_identity: StoreIdentityDep,
    workbooks: WorkbooksDep,
    settings: SettingsDep,
    failpoints: FailpointsDep,
    memory: MemoryDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[\x21-\x7e]{1,255}$",
            description="Makes a retry safe: the same key with the same file and options is the same upload.",
            examples=["payroll-2026-11"],
        ),
    ] = None,
) -> UploadDocument:
    intake = Intake(engine, store, store_identity, workbooks, settings, memory.uploads)
    upload, is_new = await intake.take(request, idempotency_key)
    if not is_new:
        response.status_code = 200
    elif upload.status not in HELD_STATES:
        failpoints.hit("api.before_announce")
        await announce(publisher, upload.id, settings.announce_timeout_seconds)
    response.headers["Location"] = f"/v1/uploads/{upload.id}"
    response.headers["ETag"] = etag(upload)
    return upload_document(upload)


@router.get(
    "/employee-data-upload/template.csv",
    summary="An empty CSV to fill in: the header and one example row",
    operation_id="getUploadTemplate",
    response_class=Response,
    responses={200: CSV_RESPONSE, **problem_responses(ProblemCode.INVALID_REQUEST)},
)
async def get_template(language: TemplateLanguage = None) -> Response:
    return csv_attachment(template_csv(language), "employees.csv")


@router.get(
    "/employee-data-upload/template.xlsx",
    summary="An Excel workbook to fill in: the header and one example row",
    operation_id="getUploadWorkbookTemplate",
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPES["xlsx"]: {"schema": {"type": "string", "format": "binary"}}}},
        **problem_responses(ProblemCode.INVALID_REQUEST),
    },
)
async def get_workbook_template(language: TemplateLanguage = None) -> Response:
    content = await asyncio.to_thread(template_xlsx, language)
    return attachment(content, "employees.xlsx", MEDIA_TYPES["xlsx"])


@router.get(
    "/uploads",
    summary="List uploads, newest first",
    description="A key that has the scope `upload` and not `read` sees those that keys of its name sent.",
    operation_id="listUploads",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, *DATABASE_PROBLEMS),
)
async def list_uploads(
    engine: EngineDep,
    paging: PagingDep,
    caller: CallerDep,
    status: Annotated[UploadStatus | None, Query(description="Only uploads in this state.")] = None,
) -> Listing[UploadDocument]:
    (before,) = paging.after(tuple[int]) or (None,)
    sender = caller.name if caller.sees_own_uploads_alone else None
    async with engine.connect() as connection:
        found = await queries.list_uploads(
            connection, status=status, before=before, offset=paging.offset, limit=paging.limit + 1, uploaded_by=sender
        )
        total = await queries.count_uploads(connection, status=status, uploaded_by=sender)
    return paging.listing(
        found.rows, Total(total), key=lambda row: (row.sequence,), item=upload_document, was_cut=found.was_cut
    )


@router.get(
    "/uploads/{upload_id}",
    summary="How an upload is doing",
    operation_id="getUpload",
    responses=problem_responses(ProblemCode.UNKNOWN_UPLOAD, ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS),
)
async def get_upload(upload_id: UUID, engine: EngineDep, response: Response) -> UploadDocument:
    upload = await find_upload(engine, upload_id)
    response.headers["ETag"] = etag(upload)
    return upload_document(upload)


@router.post(
    "/uploads/{upload_id}/cancel",
    summary="Stop an upload",
    description="Rows that are committed stay; the others count as `unprocessed`. Safe to repeat until it is finished. "
    "A draft, also one that is being previewed, is `cancelled` at once.",
    operation_id="cancelUpload",
    status_code=202,
    responses=problem_responses(
        ProblemCode.UNKNOWN_UPLOAD, ProblemCode.ALREADY_FINISHED, ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS
    ),
)
async def cancel_upload(upload_id: UUID, engine: EngineDep) -> UploadDocument:
    async with engine.begin() as connection:
        draft = await queries.cancel_draft(connection, upload_id)
        if draft is not None:
            return upload_document(draft)
        upload = require_known(await queries.cancel_upload(connection, upload_id))
    if upload.status in PROCESSED_STATES:
        raise Problem(ProblemCode.ALREADY_FINISHED, f"The upload is {upload.status}; its rows stay as they are.")
    return upload_document(upload)


@router.delete(
    "/uploads/{upload_id}",
    summary="Delete a draft, or a finished upload with its file and rejects; its employees stay",
    description="With it go its file, its rejects and their dead letters, what an undo kept, and what it replaced: it "
    "cannot be undone any more. While it could be, `confirm=employees-stay` is needed.",
    operation_id="deleteUpload",
    status_code=204,
    responses=problem_responses(
        ProblemCode.UNKNOWN_UPLOAD,
        ProblemCode.NOT_FINISHED,
        ProblemCode.CONFIRMATION_NEEDED,
        ProblemCode.INVALID_REQUEST,
        *DATABASE_PROBLEMS,
    ),
)
async def delete_upload(
    upload_id: UUID,
    engine: EngineDep,
    store: UploadStoreDep,
    confirm: Annotated[
        Literal["employees-stay"] | None,
        Query(description="That the employees of an upload which could still be undone are to stay for good."),
    ] = None,
) -> None:
    async with engine.begin() as connection:
        upload = require_known(
            await queries.delete_finished_upload(connection, upload_id, even_if_undoable=confirm is not None)
        )
    if upload.status not in RESTING_STATES:
        raise Problem(ProblemCode.NOT_FINISHED, f"The upload is {upload.status}: cancel it first, or wait for its end.")
    if loses_undo(upload) and confirm is None:
        raise Problem(
            ProblemCode.CONFIRMATION_NEEDED,
            "This deletes the file, the rejects and the possibility to undo the upload: the "
            f"{upload.inserted} employees that it inserted and the {upload.updated} that it updated stay as they are. "
            "Undo it first, or delete it with ?confirm=employees-stay.",
        )
    # After the commit: a file without a row is found by the retention, a row without its file would be a riddle.
    for key in queries.stored_keys(upload):
        await store.delete(key)


@router.get(
    "/uploads/{upload_id}/rejects",
    summary="List an upload's rejected rows, in file order",
    operation_id="listRejects",
    responses=problem_responses(
        ProblemCode.UNKNOWN_UPLOAD, ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, *DATABASE_PROBLEMS
    ),
)
async def list_rejects(
    upload_id: UUID,
    engine: EngineDep,
    paging: PagingDep,
    code: Annotated[RowCode | None, Query(description="Only those whose first fault this is.")] = None,
) -> Listing[RejectDocument]:
    (after_row,) = paging.after(tuple[int]) or (0,)
    async with engine.connect() as connection:
        upload = require_known(await queries.upload_by_id(connection, upload_id))
        rejects = queries.rejects_of(upload, code)
        found = await queries.list_rejects(
            connection, rejects, after_row=after_row, offset=paging.offset, limit=paging.limit + 1
        )
        count = await queries.count_rejects(connection, rejects)
    total = Total(count)
    if count > queries.EXACT_COUNT:
        told = {"rejected": upload.rejected, "rejected_by": upload.rejected_by}
        told = told if upload.preview_id is None else upload.preview or {}
        known = told.get("rejected", 0) if code is None else told.get("rejected_by", {}).get(code, 0)
        total = Total(max(count, known), is_estimate=upload.status not in (*PROCESSED_STATES, "previewed"))
    columns = FileColumns.of(upload.columns, is_sheet=upload.sheet is not None)
    return paging.listing(
        found.rows,
        total,
        key=lambda row: (row.row_number,),
        item=lambda row: reject_document(row, columns),
        was_cut=found.was_cut,
    )


@router.get(
    "/uploads/{upload_id}/rejects.csv",
    summary="Download an upload's rejected rows as CSV, to correct and upload again",
    description="All columns of the file, then `row_number,line_number,error_code,error_field,error_message`, with the "
    "file's own delimiter and a byte order mark. If any row has more cells than the file has columns, they stand in a "
    "column `surplus_cells` between the two. Corrected, it can be uploaded as it is: those five columns are left out.",
    operation_id="downloadRejects",
    response_class=Response,
    responses={
        200: CSV_RESPONSE,
        **problem_responses(
            ProblemCode.UNKNOWN_UPLOAD, ProblemCode.INVALID_REQUEST, ProblemCode.SERVICE_BUSY, *DATABASE_PROBLEMS
        ),
    },
)
async def download_rejects(upload_id: UUID, engine: EngineDep, memory: MemoryDep) -> Response:
    upload = await find_upload(engine, upload_id)
    extension = "" if upload.filename.lower().endswith(".csv") else ".csv"
    report = rejects_csv(engine, upload)
    return await stream_csv(report, f"rejects of {upload.filename}{extension}", memory.downloads)


@router.get(
    "/uploads/{upload_id}/file",
    summary="Download the file of an upload, byte for byte",
    operation_id="downloadUpload",
    response_class=Response,
    responses={
        200: CSV_RESPONSE,
        **problem_responses(
            ProblemCode.UNKNOWN_UPLOAD,
            ProblemCode.FILE_GONE,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.SERVICE_BUSY,
            *DATABASE_PROBLEMS,
            ProblemCode.STORAGE_UNAVAILABLE,
            ProblemCode.WRONG_STORAGE,
        ),
    },
)
async def download_upload(
    upload_id: UUID, engine: EngineDep, store: UploadStoreDep, store_identity: StoreIdentityDep, memory: MemoryDep
) -> Response:
    upload = await find_upload(engine, upload_id)
    try:
        if upload.original_key is None:
            content = store.stream(upload.object_key)
            return await stream_file(content, upload.filename, memory.downloads, size=upload.byte_count)
        return await stream_file(
            store.stream(upload.original_key),
            upload.filename,
            memory.downloads,
            size=upload.original_bytes,
            media_type=MEDIA_TYPES[upload.original_kind],
        )
    except ObjectMissing:
        await store_identity.require()
        raise Problem(ProblemCode.FILE_GONE, "The file is no longer kept; its counts still are.") from None
