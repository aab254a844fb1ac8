"""The routes under /v1/dead-letters."""

from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response
from fastapi.exceptions import RequestValidationError

from api_service.dead_letters.bulk_jobs import Job, cancel_job, find_job
from api_service.dead_letters.dependencies import JobRunnerDep
from api_service.dead_letters.documents import (
    CHOOSE,
    DeadLetterListing,
    DeletionOrder,
    JobDocument,
    LetterCode,
    RedriveOrder,
    dead_letter_document,
    job_document,
)
from api_service.dead_letters.ordering import job_address, order_job
from api_service.dead_letters.queries import LetterFilter, LetterKey, key_of, list_letters
from api_service.http.dependencies import EngineDep, SettingsDep
from api_service.http.moment import Moment
from api_service.http.pagination import PagingDep
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from shared.amqp.queue_depths import read_depth
from shared.amqp.topology import DEAD_LETTERS_QUEUE

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

ORDER_PROBLEMS = problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.DEAD_LETTERS_BUSY, *DATABASE_PROBLEMS)
REDRIVE_EXAMPLES: Final[list[Any]] = [{"code": "internal_error", "limit": 1000}, {"all": True}]
DELETION_EXAMPLES: Final[list[Any]] = [{"uploadId": "6f2c6f4e-3b55-4c76-9a0d-5a3a9d2f6a10"}, {"all": True}]

Order = TypeVar("Order", RedriveOrder, DeletionOrder)


@router.get(
    "",
    summary="Rejected rows and malformed messages, oldest first",
    operation_id="listDeadLetters",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, ProblemCode.DATABASE_BUSY),
)
async def get_dead_letters(
    engine: EngineDep,
    settings: SettingsDep,
    paging: PagingDep,
    upload_id: Annotated[UUID | None, Query(alias="uploadId", description="Only those of this upload.")] = None,
    code: Annotated[LetterCode | None, Query(description="Only those with this code.")] = None,
    dead_from: Annotated[
        Moment | None, Query(alias="deadFrom", description="Only those that died then or later.")
    ] = None,
    dead_before: Annotated[Moment | None, Query(alias="deadBefore", description="Only those that died before.")] = None,
) -> DeadLetterListing:
    """A malformed message has the code `malformed_message` and neither upload nor cells.

    The total is exact to 100,000. A letter whose row is being redriven is listed until the row succeeds.
    """
    after = paging.after(LetterKey)
    async with engine.connect() as connection:
        page = await list_letters(
            connection,
            LetterFilter(upload_id, code, dead_from, dead_before),
            after=after,
            offset=paging.offset,
            limit=paging.limit,
        )
    listing = paging.listing(page.rows, page.total, key=key_of, item=dead_letter_document, was_cut=page.was_cut)
    return DeadLetterListing(**dict(listing), depth=await read_depth(settings, DEAD_LETTERS_QUEUE))


@router.post(
    "/redrive",
    status_code=202,
    summary="Try rejected rows again",
    operation_id="redriveDeadLetters",
    responses=ORDER_PROBLEMS,
)
async def post_redrive(
    engine: EngineDep,
    runner: JobRunnerDep,
    response: Response,
    order: Annotated[RedriveOrder | None, Body(examples=REDRIVE_EXAMPLES)] = None,
) -> JobDocument:
    """Answered at once with a job: `Location` says where to watch it.

    A row that succeeds now moves from `rejected` to another of its upload's counts, and out of its report; one that
    fails again is dead again, once. Malformed messages cannot be redriven, only deleted.
    """
    chosen = _chosen(order)
    job = await order_job(engine, "redrive", _matching(chosen), most=chosen.limit)
    runner.wake()
    return _answered(response, job)


@router.delete(
    "",
    status_code=202,
    summary="Delete dead letters",
    operation_id="deleteDeadLetters",
    responses=ORDER_PROBLEMS,
)
async def remove_dead_letters(
    engine: EngineDep,
    runner: JobRunnerDep,
    response: Response,
    order: Annotated[DeletionOrder | None, Body(examples=DELETION_EXAMPLES)] = None,
) -> JobDocument:
    """Answered at once with a job: `Location` says where to watch it.

    Rejected rows stay in their upload's report and counts; they can no longer be redriven.
    """
    chosen = _chosen(order)
    job = await order_job(engine, "delete", _matching(chosen), most=None)
    runner.wake()
    return _answered(response, job)


@router.get(
    "/jobs/{job_id}",
    summary="How far a redrive or a deletion is",
    operation_id="getDeadLetterJob",
    responses=problem_responses(ProblemCode.UNKNOWN_JOB, *DATABASE_PROBLEMS),
)
async def get_job(engine: EngineDep, job_id: UUID) -> JobDocument:
    """A finished job is kept as long as rejected rows are."""
    async with engine.connect() as connection:
        job = await find_job(connection, job_id)
    if job is None:
        raise _unknown_job()
    return job_document(job)


@router.delete(
    "/jobs/{job_id}",
    status_code=202,
    summary="Stop a redrive or a deletion",
    operation_id="cancelDeadLetterJob",
    responses=problem_responses(ProblemCode.UNKNOWN_JOB, ProblemCode.ALREADY_FINISHED, *DATABASE_PROBLEMS),
)
async def cancel(engine: EngineDep, job_id: UUID) -> JobDocument:
    """It ends after the step that is under way. What is done by then stays done."""
    async with engine.begin() as connection:
        was_cancelled = await cancel_job(connection, job_id)
        job = await find_job(connection, job_id)
    if job is None:
        raise _unknown_job()
    if not was_cancelled:
        raise Problem(ProblemCode.ALREADY_FINISHED, f"It ended as {job.state}.")
    return job_document(job)


def _chosen(order: Order | None) -> Order:
    if order is None:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": CHOOSE}])
    return order


def _matching(order: RedriveOrder | DeletionOrder) -> LetterFilter:
    return LetterFilter(order.upload_id, order.code, order.dead_from, order.dead_before, order.letters)


def _answered(response: Response, job: Job) -> JobDocument:
    response.headers["Location"] = job_address(job.id)
    return job_document(job)


def _unknown_job() -> Problem:
    return Problem(ProblemCode.UNKNOWN_JOB, "Finished jobs are deleted when their time is over.")
