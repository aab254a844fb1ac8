"""The routes of an upload's results: its rows with what became of each, a page at a time or as a CSV of all."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.http.csv_download import DOWNLOAD_BYTES, stream_csv
from api_service.http.cursors import BIGINT_MAX
from api_service.http.dependencies import EngineDep, StoreIdentityDep, UploadStoreDep
from api_service.http.disconnect import cancel_on_disconnect
from api_service.http.memory import MemoryDep
from api_service.http.pagination import Listing, Paging, PagingDep, Total
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.uploads.found import require_known
from api_service.uploads.leavers.documents import DeactivatedDocument, deactivated_document
from api_service.uploads.leavers.queries import list_leavers
from api_service.uploads.queries import upload_by_id
from api_service.uploads.report_columns import FileColumns
from api_service.uploads.results import queries
from api_service.uploads.results.documents import ResultDocument, result_document
from api_service.uploads.results.fates import OUTCOMES, Outcome
from api_service.uploads.results.listing import PlacedResult, results_page
from api_service.uploads.results.results_csv import results_csv
from api_service.uploads.results.stored_rows import ResumePoint
from api_service.uploads.undo.documents import KeptRowDocument, kept_row_document
from api_service.uploads.undo.queries import list_kept
from shared.errors import FileCode
from shared.rows.csv_format import NEWEST_READER_VERSION
from shared.store_identity import StoreIdentity
from shared.upload_store import ObjectMissing

router = APIRouter(prefix="/v1", tags=["uploads"])


def _split(given: object) -> object:
    """`a,b` means the same as two parameters."""
    return [one for each in given for one in str(each).split(",")] if isinstance(given, list) else given


# These have no row of the file, or stand beside what became of it, so they go alone.
Alone = Literal["deactivated"]
RowsQuery = Annotated[
    list[Outcome | Alone] | None,
    BeforeValidator(_split),
    Query(
        description="Only rows with this outcome, or with one of several; else all. `kept`, alone: the rows of an "
        "undone upload whose employees another upload had changed, and by which. `deactivated`, alone: employees "
        "whom the file does not name, and who got `leftAt`, or would by a preview.",
        examples=[["duplicate"]],
    ),
]
OutcomesQuery = Annotated[
    list[Outcome] | None,
    BeforeValidator(_split),
    Query(description="Only rows with this outcome, or with one of several; else all.", examples=[["duplicate"]]),
]
RESULT_PROBLEMS = (
    ProblemCode.UNKNOWN_UPLOAD,
    ProblemCode.NOT_FINISHED,
    ProblemCode.RESULTS_UNKNOWN,
    ProblemCode.FILE_GONE,
    ProblemCode.INVALID_REQUEST,
    ProblemCode.SERVICE_BUSY,
    *DATABASE_PROBLEMS,
    ProblemCode.STORAGE_UNAVAILABLE,
    ProblemCode.WRONG_STORAGE,
)


@router.get(
    "/uploads/{upload_id}/rows",
    summary="List a finished upload's rows with what became of each, or a preview's with what would, in file order",
    description="Pages come from the stored file, so a later one takes longer: for all rows take `results.csv`.",
    operation_id="listResults",
    responses=problem_responses(*RESULT_PROBLEMS, ProblemCode.INVALID_CURSOR),
)
async def list_results(
    request: Request,
    upload_id: UUID,
    engine: EngineDep,
    store: UploadStoreDep,
    store_identity: StoreIdentityDep,
    memory: MemoryDep,
    paging: PagingDep,
    outcome: RowsQuery = None,
) -> Listing[ResultDocument] | Listing[KeptRowDocument] | Listing[DeactivatedDocument]:
    if outcome is not None and "kept" in outcome:
        return await _kept_rows(engine, upload_id, paging, outcome)
    if outcome is not None and "deactivated" in outcome:
        return await _deactivated(engine, upload_id, paging, outcome)
    outcomes = frozenset(cast("list[Outcome]", outcome) or OUTCOMES)
    after_row, *begin = paging.after(tuple[int, int, int]) or (0, 0, 0)
    upload = await _finished_upload(engine, upload_id)
    async with memory.downloads.holding(DOWNLOAD_BYTES), _gone_if_missing(store_identity):
        page = await cancel_on_disconnect(
            request,
            results_page(
                engine,
                store,
                upload,
                outcomes,
                after_row=min(after_row, upload.rows_read),
                begin=ResumePoint(*begin),
                offset=paging.offset,
                limit=paging.limit,
            ),
        )
    columns = FileColumns.of(upload.columns, is_sheet=upload.sheet is not None)
    return paging.listing(
        # One more than the page has says that there are more.
        page.results + page.results[-1:] * page.has_more,
        Total(sum(_counts(upload)[each] for each in outcomes)),
        key=_key,
        item=lambda placed: result_document(placed.result, columns),
        was_cut=page.was_cut,
    )


@router.get(
    "/uploads/{upload_id}/results.csv",
    summary="Download every row of a finished upload with what became of it, or of a preview with what would, as CSV",
    description="All columns of the file, then `row_number,line_number,outcome,error_code,error_field,error_message,"
    "same_as`, with the file's own delimiter and a byte order mark. `same_as` names what stands instead of a "
    "duplicate: `row 17: …` of this upload or `employee 4711: …`, with the name, so that people who share a mailbox "
    "are found; a preview names rows by their number alone. Uploaded again, those seven columns are left out.",
    operation_id="downloadResults",
    response_class=Response,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **problem_responses(*RESULT_PROBLEMS),
    },
)
async def download_results(
    upload_id: UUID,
    engine: EngineDep,
    store: UploadStoreDep,
    store_identity: StoreIdentityDep,
    memory: MemoryDep,
    outcome: OutcomesQuery = None,
) -> Response:
    upload = await _finished_upload(engine, upload_id)
    extension = "" if upload.filename.lower().endswith(".csv") else ".csv"
    async with _gone_if_missing(store_identity):
        return await stream_csv(
            results_csv(engine, store, upload, frozenset(outcome or OUTCOMES)),
            f"results of {upload.filename}{extension}",
            memory.downloads,
        )


async def _kept_rows(
    engine: AsyncEngine, upload_id: UUID, paging: Paging, outcome: list[Outcome | Alone]
) -> Listing[KeptRowDocument]:
    """They are told by the undo, so the file is not needed."""
    _require_alone("kept", outcome)
    (after_row,) = paging.after(tuple[int]) or (-BIGINT_MAX,)
    async with engine.connect() as connection:
        require_known(await upload_by_id(connection, upload_id))
        found = await list_kept(
            connection, upload_id, after_row=after_row, offset=paging.offset, limit=paging.limit + 1
        )
    return paging.listing(found.rows, Total(found.total), key=lambda row: (row.row_number,), item=kept_row_document)


async def _deactivated(
    engine: AsyncEngine, upload_id: UUID, paging: Paging, outcome: list[Outcome | Alone]
) -> Listing[DeactivatedDocument]:
    """Nor is it here: it does not have them."""
    _require_alone("deactivated", outcome)
    (after_number,) = paging.after(tuple[int]) or (0,)
    async with engine.connect() as connection:
        upload = require_known(await upload_by_id(connection, upload_id))
        is_preview = upload.status == "previewed"
        if upload.finished_at is None and not is_preview:
            raise _not_finished()
        found = await list_leavers(
            connection, upload, after_number=after_number, offset=paging.offset, limit=paging.limit + 1
        )
    total = upload.preview.get("deactivated") or 0 if is_preview else upload.deactivated
    return paging.listing(found, Total(total), key=lambda row: (row.number,), item=deactivated_document)


def _require_alone(name: Outcome | Alone, outcome: list[Outcome | Alone]) -> None:
    if set(outcome) != {name}:
        detail = f"Ask for {name} alone: the other outcomes say what became of rows of the file."
        raise Problem(
            ProblemCode.INVALID_REQUEST, detail, errors=[{"location": "query.outcome", "detail": f"{name} goes alone"}]
        )


def _counts(upload: Row[Any]) -> dict[Outcome, int]:
    """An upload's rows by their outcome."""
    written = {"inserted": upload.inserted, "updated": upload.updated, "undone": 0, "kept": 0}
    if upload.status == "undone":
        taken_back = upload.inserted + upload.updated - upload.kept
        written = {"inserted": 0, "updated": 0, "undone": taken_back, "kept": upload.kept}
    others = {"duplicate": upload.duplicates, "rejected": upload.rejected, "unprocessed": upload.unprocessed}
    return cast("dict[Outcome, int]", written | others)


def _key(placed: PlacedResult) -> tuple[int, int, int]:
    return (placed.result.row_number, *placed.resume_point)


async def _finished_upload(engine: AsyncEngine, upload_id: UUID) -> Row[Any]:
    """Raises a problem for one whose results cannot be told: not yet, no more, or never."""
    async with engine.connect() as connection:
        upload = require_known(await queries.upload_with_format(connection, upload_id))
        if upload.finished_at is None and upload.status != "previewed":
            raise _not_finished()
        if upload.status == "undoing":
            raise Problem(ProblemCode.NOT_FINISHED, "The upload is being undone: its results can be told at the end.")
        if upload.file_deleted_at is not None:
            raise _file_gone()
        if upload.problem is not None and json.loads(upload.problem)["code"] == FileCode.FILE_CHANGED:
            raise Problem(ProblemCode.FILE_GONE, "The stored file is not the one that was uploaded; its counts stand.")
        if upload.encoding is None or upload.delimiter is None:
            raise Problem(
                ProblemCode.RESULTS_UNKNOWN,
                "Nobody knew how to read this file, so it has no rows yet: upload it again.",
            )
        if upload.reader_version > NEWEST_READER_VERSION:
            raise Problem(ProblemCode.RESULTS_UNKNOWN, "A newer release read this file: update this service.")
        if await queries.has_unnoted_rows(connection, upload_id):
            raise Problem(
                ProblemCode.RESULTS_UNKNOWN,
                "Rows of this upload were handled by a release that did not note which of them became what. Its counts "
                "and its rejects stand; the file can be uploaded again to see what its rows are by now.",
            )
    return upload


@asynccontextmanager
async def _gone_if_missing(store_identity: StoreIdentity) -> AsyncIterator[None]:
    try:
        yield
    except ObjectMissing:
        await store_identity.require()
        raise _file_gone() from None


def _not_finished() -> Problem:
    return Problem(
        ProblemCode.NOT_FINISHED, "The upload is not finished: its results can be told at its end, or previewed."
    )


def _file_gone() -> Problem:
    return Problem(ProblemCode.FILE_GONE, "The file is no longer kept, so its rows cannot be told; its counts stand.")
