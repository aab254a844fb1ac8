"""The SQS endpoint beside moto's: the same random calls, and a reason for each difference."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import boto3
import httpx2
import pytest
from moto.server import ThreadedMotoServer

from tests.support.patience import patience
from tests.support.seeded_random import seeded_random
from tests.support.sqs import sqs_client
from tests.support.sqs_differential import EXPLAINED, Comparison

# The same calls at each change; the long test makes others each time.
SEED = 18
DOCUMENT = Path(__file__).parents[5] / "docs" / "sqs.md"


@pytest.fixture
def moto_address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # It imports what it needs only now.
    httpx2.post(f"http://{host}:{port}/moto-api/reset", timeout=60 * patience()).raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


async def compare(api: httpx2.AsyncClient, moto_address: str, calls: int, chance: Random) -> Comparison:
    theirs = boto3.client(
        "sqs",
        endpoint_url=moto_address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    comparison = Comparison(sqs_client(str(api.base_url)), theirs, chance)
    await asyncio.to_thread(comparison.run, calls)
    print(calls, "calls", dict(comparison.calls), dict(comparison.explained))  # noqa: T201 - shown when a test fails
    return comparison


async def test_random_calls_have_the_answers_of_moto(api: httpx2.AsyncClient, moto_address: str) -> None:
    comparison = await compare(api, moto_address, 300, Random(SEED))
    assert comparison.calls["receive_message"] > 20


@pytest.mark.long
async def test_ten_thousand_random_calls_meet_every_difference(api: httpx2.AsyncClient, moto_address: str) -> None:
    comparison = await compare(api, moto_address, 10_000, seeded_random())
    assert set(comparison.explained) == {each.about for each in EXPLAINED}


def test_the_documents_table_is_that_of_the_differences() -> None:
    rows = [f"| {each.about} | {each.theirs} | {each.ours} |" for each in EXPLAINED]
    missing = [row for row in rows if row not in DOCUMENT.read_text()]
    assert not missing, "put these rows into docs/sqs.md:\n" + "\n".join(missing)
