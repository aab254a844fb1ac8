"""Requests as a shell sends them: with curl, which changes nothing of what it is given."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2

from tests.support.patience import patience


async def curl(api: httpx2.AsyncClient, *arguments: str) -> tuple[int, Any]:
    """The status, and the body if there is one. The last argument is the address, without the host."""
    *options, path = arguments
    command = ["curl", "--silent", "--show-error", "--write-out", "\n%{http_code}", *options]
    process = await asyncio.create_subprocess_exec(
        *command, f"{str(api.base_url).rstrip('/')}{path}", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60 * patience())
    assert process.returncode == 0
    body, _, status = output.decode().rpartition("\n")
    return int(status), json.loads(body) if body else None
