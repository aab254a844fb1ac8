"""What lease queues are measured against: their own statements through pgbench, and moto's SQS server through boto3."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from api_service.lease_queues.lease_queues import PLANNER_SETTINGS
from api_service.lease_queues.message_queries import ACKNOWLEDGE, CLAIM, SEND, SEND_LOCK
from benchmarks import queue_servers
from benchmarks.queue_load import MOST_RECEIVED_PER_SECOND, PAYLOAD_TEXT, Case
from benchmarks.result import Result, summarise
from deploy.program import free_port


async def measure_pgbench(url: str, case: Case) -> list[Result]:
    """The statements as they are, prepared, on a connection for each client: what is left when HTTP is taken away."""
    queue = f"pgbench-{case.waiting}"
    if not case.waiting:
        await queue_servers.empty(url)
    await queue_servers.fill(url, queue, case.waiting, PAYLOAD_TEXT)
    sends = _pgbench(url, "send", f"{SEND.text};", case, _send_variables(queue, case.batch))
    await queue_servers.fill(url, queue, case.waiting + int(case.seconds * MOST_RECEIVED_PER_SECOND), PAYLOAD_TEXT)
    receives = _pgbench(url, "receive and acknowledge", _RECEIVE_SCRIPT, case, _receive_variables(queue, case.batch))
    return [sends, receives]


# Each client keeps in its variables what the API keeps between claims, and hands the receipts on.
_CLAIMED = """
    SELECT coalesce(array_agg(leased.id) FILTER (WHERE leased.id IS NOT NULL), '{}') AS ids,
           coalesce(array_agg(receipt) FILTER (WHERE leased.id IS NOT NULL), '{}') AS tokens,
           coalesce(max(edges.head_id), CAST(:head_id AS bigint)) AS head_id,
           coalesce(max(edges.hidden_from), '-infinity') AS hidden_from
    FROM edges LEFT JOIN leased ON true
"""
_RECEIVE_SCRIPT = f"{CLAIM.text.rpartition('SELECT edges.head_id')[0]}{_CLAIMED}\n\\gset\n{ACKNOWLEDGE.text};"


def _send_variables(queue: str, batch: int) -> dict[str, object]:
    return {
        "queue": queue,
        "send_lock": SEND_LOCK,
        "payloads": _array([json.dumps(PAYLOAD_TEXT)] * batch),
        "payload_bytes": _array([len(PAYLOAD_TEXT)] * batch),
        "delays": _array([0] * batch),
    }


def _receive_variables(queue: str, batch: int) -> dict[str, object]:
    return {
        "queue": queue,
        "head_id": 0,
        "hidden_from": "-infinity",
        "wanted": batch,
        "consumers": _array(["bench"]),
        "timeouts": _array([30]),
        "limits": _array([batch]),
        "last_places": _array([batch]),
    }


def _array(values: Sequence[object]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _pgbench(url: str, operation: str, script: str, case: Case, variables: Mapping[str, object]) -> Result:
    options = " ".join(f"-c {name}={value}" for name, value in {"jit": "off", **PLANNER_SETTINGS}.items())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "script.sql"
        file.write_text(script)
        command = ["pgbench", "--no-vacuum", "--protocol=prepared", f"--client={case.clients}", "--jobs=1"]
        command += [f"--time={max(1, round(case.seconds))}", f"--file={file}", "--log", f"--log-prefix={folder}/log"]
        command += [f"--define={name}={value}" for name, value in variables.items()]
        environment = {**os.environ, "PGOPTIONS": options}
        done = subprocess.run([*command, url], env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"pgbench failed:\n{done.stderr}")
        # A line a transaction: client, number, microseconds, ...
        (log,) = Path(folder).glob("log.*")
        latencies = [int(line.split()[2]) / 1e6 for line in log.read_text().splitlines()]
    rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if rate is None:
        sys.exit(f"pgbench came to the end of no transaction:\n{done.stdout}{done.stderr}")
    return summarise(
        "pgbench", operation, case.batch, case.clients, case.waiting, round(case.batch * float(rate[1])), 1, latencies
    )


def measure_sqs(batch: int, clients: int, seconds: float) -> list[Result]:
    server: Any = ThreadedMotoServer(port=free_port(), verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        credentials = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}

        def connect() -> Any:
            return boto3.client("sqs", endpoint_url=f"http://{host}:{port}", **credentials)

        address = connect().create_queue(QueueName=f"bench-{batch}-{clients}")["QueueUrl"]
        return [_run_threads(connect, address, batch, clients, seconds, step) for step in (_sqs_send, _sqs_receive)]
    finally:
        server.stop()


def _run_threads(connect: Any, address: str, batch: int, clients: int, seconds: float, step: Any) -> Result:
    latencies: list[float] = []
    done: list[int] = []
    deadline = time.perf_counter() + seconds

    def work() -> None:
        client = connect()
        while (begin := time.perf_counter()) < deadline:
            done.append(step(client, address, batch))
            latencies.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    operation = {"_sqs_send": "send", "_sqs_receive": "receive and acknowledge"}[step.__name__]
    return summarise("moto-sqs", operation, batch, clients, 0, sum(done), elapsed, latencies)


def _sqs_send(client: Any, address: str, batch: int) -> int:
    entries = [{"Id": str(number), "MessageBody": PAYLOAD_TEXT} for number in range(batch)]
    client.send_message_batch(QueueUrl=address, Entries=entries)
    return batch


def _sqs_receive(client: Any, address: str, batch: int) -> int:
    messages = client.receive_message(QueueUrl=address, MaxNumberOfMessages=batch).get("Messages", [])
    entries = [{"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(messages)]
    if entries:
        client.delete_message_batch(QueueUrl=address, Entries=entries)
    return len(entries)
