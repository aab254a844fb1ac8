"""The programs of `examples/sqs`, as somebody runs them: boto3, and an endpoint in the environment."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx2
import pytest

from tests.support.patience import patience
from tests.support.queues import counts
from tests.support.waiting import eventually

EXAMPLES = Path(__file__).parents[5] / "examples" / "sqs"
HEADER = "employee_name,company_name,mobile_no,email\n"


async def run(api: httpx2.AsyncClient, program: str, *arguments: str) -> str:
    """What it prints."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL_SQS": str(api.base_url),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "WAIT_SECONDS": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / program), *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60 * patience())
    assert process.returncode == 0
    return output.decode()


@pytest.mark.slow
async def test_rows_go_through_a_queue_and_what_cannot_be_handled_is_set_aside(
    api: httpx2.AsyncClient, tmp_path: Path
) -> None:
    rows = [f"N{number},C,9{number:09},n{number}@example.com" for number in range(23)] + ["Without,C,9000000000,"]
    (tmp_path / "employees.csv").write_text(HEADER + "\n".join(rows) + "\n")
    assert "24 rows sent to" in await run(api, "csv_producer.py", str(tmp_path / "employees.csv"))
    printed = await run(api, "worker.py", str(tmp_path / "rows.jsonl"))
    assert [line.rpartition(" at ")[2] for line in printed.splitlines()] == [
        "try 1: no email",
        "try 2: no email",
        "try 3: no email",
    ]
    handled = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["email"] for row in handled] == [f"n{number}@example.com" for number in range(23)]
    await eventually(lambda: _is_set_aside(api))


async def _is_set_aside(api: httpx2.AsyncClient) -> bool:
    return await counts(api, "employees") == {} and await counts(api, "employees-dead") == {"visible": 1}


@pytest.mark.slow
async def test_a_function_is_called_with_what_arrives(api: httpx2.AsyncClient) -> None:
    printed = await run(api, "serverless.py")
    assert printed.splitlines() == [f"greeting: number {number}" for number in range(3)]
    assert await counts(api, "numbers") == {}
