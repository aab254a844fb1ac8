"""What an operator at night has: probes, status, metrics, logs, and the runbook to look a message up in."""

from __future__ import annotations

import json
from typing import Any

from tests.support.patience import patience
from tests.support.plain_http import plain_client
from tests.support.servers import CHECKOUT
from tests.support.services import Service

RUNBOOK = CHECKOUT / "docs" / "operations.md"

Json = dict[str, Any]


async def ready_reasons(service: Service) -> tuple[int, dict[str, str]]:
    """The status of /readyz, and why each check that failed did."""
    async with plain_client(timeout=10 * patience()) as client:
        answer = await client.get(f"{service.url}/readyz")
    return answer.status_code, answer.json().get("reasons", {})


async def says(service: Service, check: str, reason: str, *, ready: bool = False) -> bool:
    """Whether /readyz gives this as the reason of the failed check."""
    status, reasons = await ready_reasons(service)
    return status == (200 if ready else 503) and reasons.get(check) == reason


async def status_of(api: Service) -> Json:
    async with plain_client(timeout=30 * patience()) as client:
        status: Json = (await client.get(f"{api.url}/v1/status")).raise_for_status().json()
    return status


async def troubles(api: Service) -> dict[str, str]:
    """The details of /v1/status by their codes."""
    return {each["code"]: each["detail"] for each in (await status_of(api))["troubles"]}


async def sample(service: Service, name: str) -> float:
    """One line of /metrics, by its name with its labels."""
    async with plain_client(timeout=10 * patience()) as client:
        text = (await client.get(f"{service.url}/metrics")).raise_for_status().text
    found = [line.rpartition(" ")[2] for line in text.splitlines() if line.rpartition(" ")[0] == name]
    assert len(found) == 1, f"{service.name} has {len(found)} samples {name}"
    return float(found[0])


def logged(service: Service, event: str) -> list[Json]:
    """The lines of a service's log with this event."""
    # The last line may be half written.
    whole = service.log.read_text().rpartition("\n")[0]
    lines = [line for line in whole.splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, lines) if line["event"] == event]


def runbook_rows(message: str) -> list[str]:
    """The rows of the runbook whose first column quotes this message."""
    table = RUNBOOK.read_text().partition("\n## When it breaks\n")[2].partition("\n## Codes\n")[0]
    return [row for row in table.splitlines() if row.startswith("| ") and message in row.split(" | ")[0]]
