"""The routes of corrections: of one rejected row, of a file of them, and what became of them."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response

from api_service.http.cursors import BIGINT_MAX
from api_service.http.dependencies import (
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
from api_service.uploads.corrections import statements
from api_service.uploads.corrections.dependencies import CorrectionRunnerDep
from api_service.uploads.corrections.documents import (
    CorrectedRowDocument,
    CorrectionDocument,
    RowCorrectedDocument,
    RowCorrection,
    corrected_row_document,
    correction_address,
    correction_document,
    row_corrected_document,
)
from api_service.uploads.corrections.file_correction import FileCorrector, correctable_upload
from api_service.uploads.corrections.form_description import CORRECTIONS_BODY
from api_service.uploads.corrections.row_correction import (
    RowCorrector,
    require_reject,
    require_upload,
    seen_attempt,
)
from api_service.uploads.corrections.statements import Correction, RowOutcome
from api_service.uploads.dependencies import WorkbooksDep
from api_service.uploads.documents import RejectDocument, reject_document
from api_service.uploads.form_description import FILE_REFUSALS
from api_service.uploads.report_columns import FileColumns

router = APIRouter(prefix="/v1/uploads/{upload_id}", tags=["corrections"])

# Of the requests whose bodies are files.
FILES_PATH = re.compile(r"/v1/uploads/[^/]+/corrections")
RowNumber = Annotated[int, Path(ge=1, le=BIGINT_MAX, description="As the list of rejects and `rejects.csv` say it.")]
ROW_PROBLEMS = (
    ProblemCode.UNKNOWN_UPLOAD,
    ProblemCode.UNKNOWN_REJECT,
    ProblemCode.REJECTS_GONE,
    ProblemCode.INVALID_REQUEST,
    *DATABASE_PROBLEMS,
)
UNKNOWN = problem_responses(
    ProblemCode.UNKNOWN_CORRECTION, ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, *DATABASE_PROBLEMS
)


@router.get(
    "/rejects/{row_number}",
    summary="One rejected row, to be corrected",
    operation_id="getReject",
    responses=problem_responses(*ROW_PROBLEMS),
)
async def get_reject(upload_id: UUID, row_number: RowNumber, engine: EngineDep, response: Response) -> RejectDocument:
    """Its `ETag` is the attempt that it stands at: send it as `If-Match` with the correction."""
    async with engine.connect() as connection:
        upload = await require_upload(connection, upload_id)
        reject = await require_reject(connection, upload, row_number)
    response.headers["ETag"] = f'"{reject.attempt}"'
    return reject_document(reject, FileColumns.of(upload.columns, is_sheet=upload.sheet is not None))


@router.patch(
    "/rejects/{row_number}",
    summary="Correct one rejected row",
    operation_id="correctReject",
    responses={
        202: {"model": RowCorrectedDocument, "description": "Nobody knows yet what becomes of it: see `Location`."},
        **problem_responses(
            *ROW_PROBLEMS,
            ProblemCode.NOT_FINISHED,
            ProblemCode.ALREADY_UNDONE,
            ProblemCode.LETTER_DELETED,
            ProblemCode.ROW_CHANGED,
            ProblemCode.STILL_REJECTED,
        ),
    },
)
async def correct_reject(
    upload_id: UUID,
    row_number: RowNumber,
    body: RowCorrection,
    response: Response,
    engine: EngineDep,
    publisher: PublisherDep,
    runner: CorrectionRunnerDep,
    settings: SettingsDep,
    failpoints: FailpointsDep,
    if_match: Annotated[
        str | None, Header(description="The `ETag` of the row that was looked at.", examples=['"1"'])
    ] = None,
) -> RowCorrectedDocument:
    """The row goes through the queue with its new cells, and in its own upload from `rejected` to another count.

    Cells that break a rule are refused at once, with all their `faults`, and the row stays as it was. The answer waits
    up to three seconds for the outcome; where that takes longer it is 202, and `Location` says where to look.
    """
    corrector = RowCorrector(engine, publisher, runner, settings, failpoints)
    attempt = seen_attempt(body.attempt, if_match)
    corrected = await corrector.correct(upload_id, row_number, body.cells, attempt=attempt)
    response.headers["Location"] = correction_address(upload_id, corrected.correction.id)
    if corrected.outcome is None:
        response.status_code = 202
    if corrected.reject is not None:
        response.headers["ETag"] = f'"{corrected.reject.attempt}"'
    return row_corrected_document(row_number, corrected)


@router.post(
    "/corrections",
    status_code=202,
    summary="Correct many rejected rows with a file: the report of rejects, mended",
    description="The columns `row_number` and `line_number` say which row is which; all others are matched by name, in "
    "any order, and columns that the file lacks stay as they are. Delimiter, encoding and kind of file may be others "
    "than the upload's: whatever an upload may be. Rows that stand in the file as they were are left out. The others "
    "go, each once, through the queue into their own upload: follow the address in `Location`.\n\n"
    "Rows that are no rejects any more, or whose dead letters were deleted, are passed over and named (`noReject`, "
    "`letterDeleted`), so that a report can be sent again, round by round. A line that cannot be right (no number, no "
    "row of the upload, the same row twice) is named, and nothing is done: 422 `invalid_corrections`.",
    operation_id="correctRejects",
    responses=problem_responses(
        ProblemCode.UNKNOWN_UPLOAD,
        ProblemCode.NOT_FINISHED,
        ProblemCode.ALREADY_UNDONE,
        ProblemCode.REJECTS_GONE,
        ProblemCode.INVALID_CORRECTIONS,
        ProblemCode.MALFORMED_FORM,
        ProblemCode.BODY_TIMEOUT,
        ProblemCode.TOO_LARGE,
        ProblemCode.UNSUPPORTED_MEDIA_TYPE,
        ProblemCode.INVALID_REQUEST,
        ProblemCode.MISSING_FILE,
        ProblemCode.SEVERAL_FILES,
        ProblemCode.SERVICE_BUSY,
        *FILE_REFUSALS,
        *DATABASE_PROBLEMS,
        ProblemCode.CONVERSION_BUSY,
        ProblemCode.STORAGE_UNAVAILABLE,
        ProblemCode.WRONG_STORAGE,
        ProblemCode.STORAGE_FULL,
    ),
    openapi_extra={"requestBody": CORRECTIONS_BODY},
)
async def correct_rejects(
    upload_id: UUID,
    request: Request,
    response: Response,
    engine: EngineDep,
    store: UploadStoreDep,
    store_identity: StoreIdentityDep,
    workbooks: WorkbooksDep,
    settings: SettingsDep,
    failpoints: FailpointsDep,
    memory: MemoryDep,
    runner: CorrectionRunnerDep,
) -> CorrectionDocument:
    upload = await correctable_upload(engine, upload_id)
    corrector = FileCorrector(upload, engine, store, store_identity, workbooks, settings, memory.uploads)
    correction = await corrector.take_corrections(request)
    failpoints.hit("api.corrections_stored")
    await runner.wake()
    response.headers["Location"] = correction_address(upload_id, correction.id)
    async with engine.connect() as connection:
        return correction_document(correction, await statements.count_outcomes(connection, correction.id))


@router.get(
    "/corrections/{correction_id}",
    summary="How far a correction is, and what became of its rows",
    operation_id="getCorrection",
    responses=UNKNOWN,
)
async def get_correction(upload_id: UUID, correction_id: UUID, engine: EngineDep) -> CorrectionDocument:
    """It is kept as long as rejected rows are."""
    async with engine.connect() as connection:
        correction = _require(await statements.find_correction(connection, upload_id, correction_id))
        return correction_document(correction, await statements.count_outcomes(connection, correction_id))


@router.get(
    "/corrections/{correction_id}/rows",
    summary="What became of each row of a correction",
    operation_id="listCorrectedRows",
    responses=UNKNOWN,
)
async def list_corrected_rows(
    upload_id: UUID,
    correction_id: UUID,
    engine: EngineDep,
    paging: PagingDep,
    outcome: Annotated[RowOutcome | None, Query(description="Only rows with this outcome.")] = None,
) -> Listing[CorrectedRowDocument]:
    (after_row,) = paging.after(tuple[int]) or (0,)
    async with engine.connect() as connection:
        _require(await statements.find_correction(connection, upload_id, correction_id))
        rows = await statements.list_rows(
            connection,
            correction_id,
            outcome=outcome,
            after_row=after_row,
            offset=paging.offset,
            limit=paging.limit + 1,
        )
        total = await statements.count_rows(connection, correction_id, outcome=outcome)
    return paging.listing(rows, Total(total), key=lambda row: (row.row_number,), item=corrected_row_document)


@router.delete(
    "/corrections/{correction_id}",
    status_code=202,
    summary="Stop a correction",
    operation_id="cancelCorrection",
    responses=problem_responses(
        ProblemCode.UNKNOWN_CORRECTION, ProblemCode.ALREADY_FINISHED, ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS
    ),
)
async def cancel_correction(
    upload_id: UUID, correction_id: UUID, engine: EngineDep, runner: CorrectionRunnerDep
) -> CorrectionDocument:
    """Rows that nobody has tried yet are left as they are. What is corrected by then stays so."""
    async with engine.begin() as connection:
        was_cancelled = await statements.cancel_correction(connection, upload_id, correction_id)
        correction = _require(await statements.find_correction(connection, upload_id, correction_id))
        counts = await statements.count_outcomes(connection, correction_id)
    if not was_cancelled:
        raise Problem(ProblemCode.ALREADY_FINISHED, f"It ended as {correction.state}.")
    await runner.wake()
    return correction_document(correction, counts)


def _require(correction: Correction | None) -> Correction:
    if correction is None:
        raise Problem(ProblemCode.UNKNOWN_CORRECTION, "Corrections are deleted when the time of rejected rows is over.")
    return correction
