"""Whatever clients send, files hold and messages say: each service keeps to its memory, and normal uploads go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import SMALL_CHUNKS
from tests.support.attacks import Target as AttackTarget
from tests.support.attacks import all_attacks, prepare, under_attack, until_settled, uploads_at_once
from tests.support.services import Backends, Services
from tests.support.system import System

MEMORY_MIB = 160


@pytest.fixture
async def services(backends: Backends, tmp_path: Path) -> AsyncIterator[Services]:
    """Processes that hold what their own service imports and nothing else."""
    async with Services(backends, tmp_path / "logs", SMALL_CHUNKS) as services:
        yield services


@pytest.mark.slow
@pytest.mark.fault(30)
async def test_all_attacks_at_once_leave_each_service_in_its_memory_and_normal_uploads_end(
    services: Services, system: System
) -> None:
    await services.start_all(consumers=2)
    target = AttackTarget(services, system.broker, await prepare(system.database))
    pids = [service.pid for service in services.all]

    uploads = await under_attack(target, all_attacks)
    await until_settled(target, system.database)

    assert uploads > 0
    assert [service.pid for service in services.all if service.is_alive] == pids
    peaks = {service.name: service.peak_memory_mib() for service in services.all}
    assert {name: peak for name, peak in peaks.items() if peak > MEMORY_MIB} == {}, peaks
    await asyncio.gather(*(service.until_ready() for service in services.all))


@pytest.mark.slow
@pytest.mark.fault(30)
async def test_uploads_that_wait_to_be_judged_hold_little_of_their_endless_lines(
    services: Services, system: System
) -> None:
    """Among all attacks at once there is no room for so many of them to wait together."""
    await services.start_all(consumers=1)
    target = AttackTarget(services, system.broker, await prepare(system.database))

    assert await under_attack(target, uploads_at_once) > 0
    await until_settled(target, system.database)

    assert services.api.peak_memory_mib() < MEMORY_MIB
