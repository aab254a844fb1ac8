"""Keys for tests: made as the command makes the first one, and clients that bring them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx2

from api_service.access.create_key import create_key
from api_service.settings import ApiSettings
from tests.support.api import running_api
from tests.support.waiting import eventually


async def make_key(settings: ApiSettings, *scopes: str, name: str = "somebody") -> str:
    """The text of a new key, which a running service may not know for another moment."""
    text = await create_key(settings, name, list(scopes), only_first=False)
    assert text is not None
    return text


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextlib.asynccontextmanager
async def guarded_api(settings: ApiSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key of an API that wants one; `client.headers` has room for it."""
    async with running_api(settings.model_copy(update={"authentication": "on"})) as client:
        yield client


async def until_known(client: httpx2.AsyncClient, key: str) -> None:
    async def is_known() -> bool:
        return (await client.get("/v1/self", headers=bearer(key))).status_code == 200

    await eventually(is_known, seconds=20)
