"""The routes under /v1/dead-letters."""

from typing import Annotated

from fastapi import APIRouter, Body

from api_service.dead_letters.documents import (
    DeadLetterListing,
    DeletionOrder,
    DeletionOutcome,
    RedriveOrder,
    RedriveOutcome,
    dead_letter_document,
)
from api_service.dead_letters.queries import LetterFilter, LetterKey, key_of, list_letters
from api_service.dead_letters.redrive import delete_letters, redrive_letters
from api_service.http.dependencies import EngineDep, PublisherDep, SettingsDep
from api_service.http.pagination import PagingDep
from api_service.http.problems import ProblemCode, problem_responses
from shared.amqp.queue_depths import read_depth
from shared.amqp.topology import DEAD_LETTERS_QUEUE

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

CHANGE_PROBLEMS = problem_responses(
    ProblemCode.INVALID_REQUEST,
    ProblemCode.DEAD_LETTERS_BUSY,
    ProblemCode.BROKER_UNAVAILABLE,
    ProblemCode.DATABASE_BUSY,
)


@router.get(
    "",
    summary="Rejected rows and malformed messages, oldest first",
    operation_id="listDeadLetters",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, ProblemCode.DATABASE_BUSY),
)
async def get_dead_letters(engine: EngineDep, settings: SettingsDep, paging: PagingDep) -> DeadLetterListing:
    """A malformed message has the code `malformed_message` and neither upload nor cells.

    The total is exact to 100,000. A letter whose row is being redriven is out of the queue, and still listed until
    the row succeeds.
    """
    after = paging.after(LetterKey)
    async with engine.connect() as connection:
        page = await list_letters(connection, after=after, offset=paging.offset, limit=paging.limit)
    listing = paging.listing(page.rows, page.total, key=key_of, item=dead_letter_document, was_cut=page.was_cut)
    return DeadLetterListing(**dict(listing), depth=await read_depth(settings, DEAD_LETTERS_QUEUE))


@router.post(
    "/redrive",
    summary="Put rejected rows back on the request queue",
    operation_id="redriveDeadLetters",
    responses=CHANGE_PROBLEMS,
)
async def post_redrive(
    engine: EngineDep,
    publisher: PublisherDep,
    settings: SettingsDep,
    order: Annotated[RedriveOrder | None, Body()] = None,
) -> RedriveOutcome:
    """A row that succeeds now moves from `rejected` to another of its upload's counts, and out of its report; one that
    fails again is dead again, once. Malformed messages cannot be redriven, only deleted.
    """
    order = order or RedriveOrder()
    matching = LetterFilter(order.upload_id, order.code)
    outcome = await redrive_letters(engine, publisher, settings, matching, order.limit)
    return RedriveOutcome(redriven=outcome.redriven, left=outcome.left)


@router.delete(
    "",
    summary="Delete dead letters",
    operation_id="deleteDeadLetters",
    responses=CHANGE_PROBLEMS,
)
async def remove_dead_letters(
    engine: EngineDep,
    publisher: PublisherDep,
    settings: SettingsDep,
    order: Annotated[DeletionOrder | None, Body()] = None,
) -> DeletionOutcome:
    """Rejected rows stay in their upload's report and counts; they can no longer be redriven."""
    order = order or DeletionOrder()
    removed = await delete_letters(engine, publisher, settings, LetterFilter(order.upload_id, order.code))
    return DeletionOutcome(removed=removed)
