"""The routes under /v1/erasures."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from api_service.erasures import statements
from api_service.erasures.dependencies import ErasureRunnerDep
from api_service.erasures.documents import (
    ErasureDocument,
    ErasureOrder,
    ForeseenDocument,
    FoundDocument,
    erasure_document,
)
from api_service.erasures.foreseen import count_traces
from api_service.erasures.statements import Erasure
from api_service.http.dependencies import CallerDep, EngineDep, SettingsDep
from api_service.http.pagination import Listing, PagingDep, Total
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from api_service.settings import ApiSettings
from shared.database.suppressions import PersonHash
from shared.rows.named_people import folded_email

router = APIRouter(prefix="/v1", tags=["erasures"])


class ErasureKey(NamedTuple):
    """The place of an erasure in their list."""

    created_at: datetime
    id: UUID


@router.post(
    "/erasures",
    status_code=202,
    summary="Erase a person",
    operation_id="erasePerson",
    responses=problem_responses(
        ProblemCode.INVALID_REQUEST, ProblemCode.ERASURE_KEY_MISSING, ProblemCode.ERASURE_KEY_WRONG, *DATABASE_PROBLEMS
    ),
)
async def post_erasure(
    order: ErasureOrder,
    engine: EngineDep,
    settings: SettingsDep,
    runner: ErasureRunnerDep,
    caller: CallerDep,
    response: Response,
) -> ErasureDocument:
    """Answered at once: `Location` says where to watch it, and is the certificate in the end.

    From this answer on nobody takes a row with this email (`erased_person`), unless the person is allowed again. Safe
    to repeat: while an erasure of the person is under way, that one is answered.
    """
    erasure = await _order(engine, settings, order.email, requested_by=caller.name)
    runner.wake()
    response.headers["Location"] = f"/v1/erasures/{erasure.id}"
    return erasure_document(erasure)


@router.post(
    "/erasure-search",
    summary="How much there is of a person",
    operation_id="foreseeErasure",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS),
)
async def post_search(order: ErasureOrder, engine: EngineDep) -> ForeseenDocument:
    """Nothing is done. A `POST`, so that the email stands in no address."""
    async with engine.begin() as connection:
        counts = await count_traces(connection, _email(order.email))
    return ForeseenDocument(files_to_search=counts.pop("files"), found=FoundDocument.model_validate(counts))


@router.get(
    "/erasures",
    summary="Erasures, newest first",
    operation_id="listErasures",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, *DATABASE_PROBLEMS),
)
async def get_erasures(engine: EngineDep, paging: PagingDep) -> Listing[ErasureDocument]:
    """They are kept for good: each is the proof that it was done."""
    after = paging.after(ErasureKey)
    async with engine.connect() as connection:
        erasures, total = await statements.list_erasures(
            connection, before=after, offset=paging.offset, limit=paging.limit + 1
        )
    return paging.listing(
        erasures, Total(total), key=lambda each: ErasureKey(each.created_at, each.id), item=erasure_document
    )


@router.get(
    "/erasures/{erasure_id}",
    summary="How far an erasure is, and its certificate",
    operation_id="getErasure",
    responses=problem_responses(ProblemCode.UNKNOWN_ERASURE, *DATABASE_PROBLEMS),
)
async def get_erasure(erasure_id: UUID, engine: EngineDep) -> ErasureDocument:
    """Kept for good. It names nobody."""
    return erasure_document(await _find(engine, erasure_id))


@router.delete(
    "/erasures/{erasure_id}/suppression",
    status_code=204,
    summary="Allow an erased person again",
    operation_id="allowErasedPerson",
    responses=problem_responses(ProblemCode.UNKNOWN_ERASURE, *DATABASE_PROBLEMS),
)
async def delete_suppression(erasure_id: UUID, engine: EngineDep) -> Response:
    """Rows with the email are taken from then on. What was erased stays erased. Safe to repeat."""
    erasure = await _find(engine, erasure_id)
    async with engine.begin() as connection:
        await statements.allow_again(connection, erasure.person)
    return Response(status_code=204)


async def _order(engine: AsyncEngine, settings: ApiSettings, written: str, *, requested_by: str | None) -> Erasure:
    if settings.erasure_key is None:
        raise Problem(
            ProblemCode.ERASURE_KEY_MISSING,
            "Set ROLLCALL_ERASURE_KEY to a secret of your own, the same for the API and all consumers, restart them, "
            "and keep it: without it nobody knows an erased person again.",
        )
    email = _email(written)
    person_hash = PersonHash(settings.erasure_key)
    try:
        async with engine.begin() as connection:
            return await statements.order_erasure(
                connection,
                person=person_hash.of(email),
                key_id=person_hash.key_id,
                email=email,
                requested_by=requested_by,
            )
    except statements.OtherKey:
        raise Problem(
            ProblemCode.ERASURE_KEY_WRONG,
            "People were erased with another ROLLCALL_ERASURE_KEY: set that one again, or those would not be known.",
        ) from None


def _email(written: str) -> str:
    email = folded_email(written)
    if email is None:
        raise Problem(ProblemCode.INVALID_REQUEST, "`email` must be one email address, such as name@example.com.")
    return email


async def _find(engine: AsyncEngine, erasure_id: UUID) -> Erasure:
    async with engine.connect() as connection:
        erasure = await statements.find_erasure(connection, erasure_id)
    if erasure is None:
        raise Problem(ProblemCode.UNKNOWN_ERASURE, "Ask GET /v1/erasures which there are.")
    return erasure
