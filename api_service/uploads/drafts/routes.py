"""The routes of drafts: look at how their rows read, change what is said of them, start them."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api_service.http.dependencies import (
    EngineDep,
    FailpointsDep,
    PublisherDep,
    SettingsDep,
    StoreIdentityDep,
    UploadStoreDep,
)
from api_service.http.memory import MemoryDep
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.uploads.dependencies import WorkbooksDep
from api_service.uploads.documents import UploadDocument, upload_document
from api_service.uploads.drafts import queries
from api_service.uploads.drafts.changes import DraftChanger
from api_service.uploads.drafts.documents import SampleDocument, sample_document
from api_service.uploads.drafts.option_names import ChangedOptions, TriedOptionsDep
from api_service.uploads.drafts.revision import ConditionDep, NeededConditionDep, etag
from api_service.uploads.drafts.sample import Sampler
from api_service.uploads.form_description import FILE_REFUSALS
from api_service.uploads.found import find_upload, require_draft, require_known, require_no_problem
from api_service.uploads.intake import announce
from api_service.uploads.previews.documents import StartOptions
from api_service.uploads.previews.drift import require_no_drift
from shared.store_identity import StoreIdentity
from shared.upload_store import ObjectMissing

router = APIRouter(prefix="/v1", tags=["uploads"])

MOST_ROWS = 100
JUDGING_PROBLEMS = (
    ProblemCode.UNKNOWN_UPLOAD,
    ProblemCode.FILE_GONE,
    ProblemCode.INVALID_REQUEST,
    *FILE_REFUSALS,
    *DATABASE_PROBLEMS,
    ProblemCode.SERVICE_BUSY,
    ProblemCode.CONVERSION_BUSY,
    ProblemCode.STORAGE_UNAVAILABLE,
    ProblemCode.WRONG_STORAGE,
)


@router.get(
    "/uploads/{upload_id}/sample",
    summary="How the first rows of an upload's file read, also under other options",
    description="Read by the reader and checked by the rules that all rows go through. Each option in the query is "
    "tried in place of the upload's own; nothing is changed.",
    operation_id="sampleUpload",
    responses=problem_responses(*JUDGING_PROBLEMS),
)
async def sample_upload(
    upload_id: UUID,
    engine: EngineDep,
    store: UploadStoreDep,
    store_identity: StoreIdentityDep,
    workbooks: WorkbooksDep,
    settings: SettingsDep,
    memory: MemoryDep,
    tried: TriedOptionsDep,
    rows: Annotated[int, Query(ge=1, le=MOST_ROWS, description="How many.")] = 20,
) -> SampleDocument:
    upload = await find_upload(engine, upload_id)
    sampler = Sampler(store, workbooks, settings, memory.uploads)
    try:
        sample = await sampler.sample(upload, tried, rows=rows)
    except ObjectMissing:
        raise await _file_gone(store_identity) from None
    return await asyncio.to_thread(sample_document, sample)


@router.patch(
    "/uploads/{upload_id}",
    summary="Change the options of a draft",
    description="The stored file is judged anew by the options it has from then on, as if it had just been sent "
    "with them. What other options could mend becomes the draft's `problem`; all else is refused, and changes nothing.",
    operation_id="changeDraft",
    responses=problem_responses(
        *JUDGING_PROBLEMS,
        ProblemCode.NOT_A_DRAFT,
        ProblemCode.REVISION_CHANGED,
        ProblemCode.REVISION_NEEDED,
        ProblemCode.STORAGE_FULL,
    ),
)
async def change_draft(
    upload_id: UUID,
    options: ChangedOptions,
    response: Response,
    engine: EngineDep,
    store: UploadStoreDep,
    store_identity: StoreIdentityDep,
    workbooks: WorkbooksDep,
    settings: SettingsDep,
    memory: MemoryDep,
    failpoints: FailpointsDep,
    condition: NeededConditionDep,
) -> UploadDocument:
    draft = require_draft(await find_upload(engine, upload_id))
    condition.require(draft)
    try:
        await store_identity.require()
        changer = DraftChanger(engine, store, workbooks, settings, memory.uploads, failpoints)
        changed = await changer.change(draft, options.given())
    except ObjectMissing:
        raise await _file_gone(store_identity) from None
    response.headers["ETag"] = etag(changed)
    return upload_document(changed)


@router.post(
    "/uploads/{upload_id}/start",
    summary="Start a draft, or what was previewed",
    description="From then on it is an upload like any other, accepted at this moment: between two uploads with "
    "`onDuplicate=update` the later accepted one wins.",
    operation_id="startDraft",
    status_code=202,
    responses=problem_responses(
        ProblemCode.UNKNOWN_UPLOAD,
        ProblemCode.NOT_A_DRAFT,
        ProblemCode.DRAFT_HAS_PROBLEM,
        ProblemCode.NOT_PREVIEWED,
        ProblemCode.PREVIEW_DRIFTED,
        ProblemCode.REVISION_CHANGED,
        ProblemCode.INVALID_REQUEST,
        *DATABASE_PROBLEMS,
    ),
)
async def start_draft(
    upload_id: UUID,
    response: Response,
    engine: EngineDep,
    publisher: PublisherDep,
    settings: SettingsDep,
    failpoints: FailpointsDep,
    condition: ConditionDep,
    options: StartOptions | None = None,
) -> UploadDocument:
    unchanged = await require_no_drift(engine, upload_id) if options is not None and options.if_unchanged else None
    async with engine.begin() as connection:
        draft = require_draft(require_known(await queries.lock_upload(connection, upload_id)))
        if condition is not None:
            condition.require(draft)
        if unchanged is not None and draft.preview_id != unchanged.preview_id:
            raise Problem(
                ProblemCode.REVISION_CHANGED, "The upload was changed or previewed meanwhile: look at it again."
            )
        require_no_problem(draft)
        started = await queries.start_draft(connection, upload_id)
    failpoints.hit("api.before_announce")
    await announce(publisher, upload_id, settings.announce_timeout_seconds)
    response.headers["Location"] = f"/v1/uploads/{upload_id}"
    response.headers["ETag"] = etag(started)
    return upload_document(started)


async def _file_gone(store_identity: StoreIdentity) -> Problem:
    """Raises `WrongStore` if it may be elsewhere."""
    await store_identity.require()
    return Problem(ProblemCode.FILE_GONE, "The file is no longer kept; the upload's counts still are.")
