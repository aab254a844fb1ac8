"""The routes of API keys: /v1/keys."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, cast

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response

from api_service.access import queries
from api_service.access.documents import ApiKey, AwsKeyPair, CreatedKey, NewKey, OwnKey, key_document
from api_service.http.dependencies import CallerDep, EngineDep
from api_service.http.pagination import Listing, PagingDep, Total
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from shared.access.key_directory import KeyDirectory
from shared.access.tokens import ID_PATTERN, KEY, new_token

router = APIRouter(prefix="/v1", tags=["keys"])

ADDRESS = "/v1/keys"

ZonedTime = Annotated[datetime, msgspec.Meta(tz=True)]
KeyId = Annotated[str, Path(pattern=ID_PATTERN, examples=["4fJq0aZx81Lm"])]


async def _keys(request: Request) -> KeyDirectory | None:
    return cast("KeyDirectory | None", request.app.state.keys)


SecretOf = Callable[[str], str]


async def _aws_secret_of(request: Request) -> SecretOf | None:
    """Gives the AWS secret of a key's id; None where the service has no secret from which it could follow."""
    return cast("SecretOf | None", request.app.state.aws_secret_of)


KeysDep = Annotated[KeyDirectory | None, Depends(_keys)]
AwsSecretDep = Annotated[SecretOf | None, Depends(_aws_secret_of)]


@router.post(
    "/keys",
    summary="Make a key",
    description="Its text is in this answer alone: nobody can ask for it again. It is good at once.",
    operation_id="createKey",
    status_code=201,
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.AUTHENTICATION_OFF, *DATABASE_PROBLEMS),
)
async def create_key(
    wanted: NewKey,
    response: Response,
    engine: EngineDep,
    keys: KeysDep,
    aws_secret_of: AwsSecretDep,
    caller: CallerDep,
) -> CreatedKey:
    directory = _require_on(keys)
    if wanted.expires_at is not None and wanted.expires_at <= datetime.now(UTC):
        raise Problem(ProblemCode.INVALID_REQUEST, "`expiresAt` is past: the key would never be good.")
    token = new_token(KEY)
    pair = _aws_pair(token.id, aws_secret_of) if wanted.aws else None
    async with engine.begin() as connection:
        row = await queries.insert_key(
            connection,
            token,
            name=wanted.name,
            scopes=wanted.scopes,
            created_by=caller.name,
            expires_at=wanted.expires_at,
        )
    await directory.reread()
    response.headers["Location"] = f"{ADDRESS}/{token.id}"
    response.headers["Cache-Control"] = "no-store"
    return CreatedKey(**key_document(row).model_dump(), key=token.text, aws=pair)


@router.get(
    "/keys",
    summary="List keys, newest first, those that are revoked too",
    operation_id="listKeys",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.INVALID_CURSOR, *DATABASE_PROBLEMS),
)
async def list_keys(engine: EngineDep, paging: PagingDep) -> Listing[ApiKey]:
    before = paging.after(tuple[ZonedTime, str])
    async with engine.connect() as connection:
        found = await queries.list_keys(connection, before=before, offset=paging.offset, limit=paging.limit + 1)
        total = await queries.count_keys(connection)
    return paging.listing(found, Total(total), key=lambda row: (row.created_at, row.id), item=key_document)


@router.get(
    "/self",
    summary="Who you are to this service, and what you may",
    operation_id="getOwnKey",
    responses=problem_responses(ProblemCode.INVALID_REQUEST),
)
async def get_own_key(keys: KeysDep, caller: CallerDep) -> OwnKey:
    return OwnKey(authentication=keys is not None, id=caller.key_id, name=caller.name, scopes=sorted(caller.scopes))


@router.get(
    "/keys/{key_id}",
    summary="A key",
    operation_id="getKey",
    responses=problem_responses(ProblemCode.UNKNOWN_KEY, ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS),
)
async def get_key(key_id: KeyId, engine: EngineDep) -> ApiKey:
    async with engine.connect() as connection:
        row = await queries.key_by_id(connection, key_id)
    if row is None:
        raise _unknown_key()
    return key_document(row)


@router.delete(
    "/keys/{key_id}",
    summary="Revoke a key",
    description="It is refused from now on, within a second by every process, and the sessions that began with it are "
    "over. It stays in the list. Safe to repeat.",
    operation_id="revokeKey",
    status_code=204,
    responses=problem_responses(ProblemCode.UNKNOWN_KEY, ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS),
)
async def revoke_key(key_id: KeyId, engine: EngineDep, keys: KeysDep) -> None:
    async with engine.begin() as connection:
        if not await queries.revoke_key(connection, key_id):
            raise _unknown_key()
    if keys is not None:
        await keys.reread()


def _require_on(keys: KeyDirectory | None) -> KeyDirectory:
    """Who may do all today must not make a key that is good when others are asked for theirs."""
    if keys is None:
        raise Problem(
            ProblemCode.AUTHENTICATION_OFF,
            "Set ROLLCALL_AUTHENTICATION=on, and make the first key with `python -m api_service.access.create_key`.",
        )
    return keys


def _aws_pair(key_id: str, secret_of: SecretOf | None) -> AwsKeyPair:
    if secret_of is None:
        raise Problem(
            ProblemCode.INVALID_REQUEST, "`aws` needs ROLLCALL_API_SQS_SECRET, from which the secrets of pairs follow."
        )
    return AwsKeyPair(access_key_id=key_id, secret_access_key=secret_of(key_id))


def _unknown_key() -> Problem:
    return Problem(ProblemCode.UNKNOWN_KEY, "Ask `GET /v1/keys` for the keys that there are.")
