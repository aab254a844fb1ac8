"""`POST /v1/requests`: one employee through the queue and back, and a thousand at once."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from itertools import count, islice
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.figures import Figure, Outcome, percentile, rounded, spelled
from benchmarks.rig import rig

MANY: Final = 1000


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=200, help="requests with one employee a round (200)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")


async def measure(options: argparse.Namespace) -> Outcome:
    with rig() as here:
        async with here.database() as url, here.services(url) as services:
            samples = await asyncio.to_thread(_measure, services.producer.url, options.rounds, options.requests)
    names = {"one employee, p50": "ms", "one employee, p99": "ms", f"{MANY} employees at once": "employees/s"}
    return Outcome(
        f"2 consumers, {options.rounds} rounds of {options.requests} requests with one employee and one with {MANY}",
        [
            Figure(name, unit, tuple(taken))
            for (name, unit), taken in zip(names.items(), zip(*samples, strict=True), strict=True)
        ],
        [],
    )


def _measure(producer_url: str, rounds: int, requests: int) -> list[tuple[float, float, float]]:
    address = urlsplit(producer_url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
    employees = _employees()
    _request_seconds(connection, islice(employees, 10))
    samples = []
    for number in range(1, rounds + 1):
        latencies = [_request_seconds(connection, islice(employees, 1)) * 1000 for _ in range(requests)]
        throughput = MANY / _request_seconds(connection, islice(employees, MANY))
        samples.append((rounded(percentile(latencies, 0.5)), rounded(percentile(latencies, 0.99)), rounded(throughput)))
        print(f"  round {number}: {', '.join(map(spelled, samples[-1]))} (p50 ms, p99 ms, employees/s)", flush=True)
    connection.close()
    return samples


def _request_seconds(connection: http.client.HTTPConnection, employees: Iterator[dict[str, Any]]) -> float:
    sent = list(employees)
    body = json.dumps({"messages": sent})
    begin = time.perf_counter()
    connection.request("POST", "/v1/requests", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    document = json.loads(answer.read())
    seconds = time.perf_counter() - begin
    assert answer.status == 200, document
    outcomes = [response["response"]["outcome"] for response in document["responses"]]
    assert outcomes == ["inserted"] * len(sent), outcomes
    return seconds


def _employees() -> Iterator[dict[str, Any]]:
    for number in count(1):
        yield {
            "employee_name": f"Person {number}",
            "company_name": "Tidewater Labs",
            "mobile_no": "+44 20 7946 0018",
            "email": f"person.{number}@tidewater.example",
        }
