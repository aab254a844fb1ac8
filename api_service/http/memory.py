"""Who may hold how much of an API process's memory: a budget for each kind of work that clients can have a lot of.

What they hold together leaves the process below 160 MiB (docs/decisions/0014): what one gets more, another gets less.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, cast

from fastapi import Depends, Request

from api_service.http.patient_budget import PatientBudget, UploadRoom
from shared.service.byte_budget import ByteBudget
from shared.service.request_body import BodyRoom

MEBIBYTE: Final = 1024 * 1024
WAIT_SECONDS: Final = 30


def _body_room() -> BodyRoom:
    # A body is held once, and once more in parts while a statement with it is on its way.
    return BodyRoom(small_bytes=4 * MEBIBYTE, large_bytes=28 * MEBIBYTE, weight=2, wait_seconds=WAIT_SECONDS)


def _uploads() -> UploadRoom:
    small = ByteBudget(3 * MEBIBYTE, longest_line=256, wait_seconds=WAIT_SECONDS)
    large = ByteBudget(10 * MEBIBYTE, longest_line=64, wait_seconds=WAIT_SECONDS)
    return UploadRoom(PatientBudget(small), PatientBudget(large))


def _downloads() -> ByteBudget:
    return ByteBudget(8 * MEBIBYTE, longest_line=64, wait_seconds=WAIT_SECONDS)


@dataclass(frozen=True)
class ApiMemory:
    bodies: BodyRoom = field(default_factory=_body_room)
    uploads: UploadRoom = field(default_factory=_uploads)
    downloads: ByteBudget = field(default_factory=_downloads)


async def _memory(request: Request) -> ApiMemory:
    return cast("ApiMemory", request.app.state.memory)


MemoryDep = Annotated[ApiMemory, Depends(_memory)]
