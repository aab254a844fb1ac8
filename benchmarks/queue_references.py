"""What lease queues are measured against: their own statements through pgbench, and moto's SQS server through boto3."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from api_service.lease_queues.lease_queues import PLANNER_SETTINGS
from api_service.lease_queues.message_queries import ACKNOWLEDGE, CLAIM, SEND, SEND_LOCK
from benchmarks.result import Result, summarise
from deploy.program import free_port

PAYLOAD = '{"to": "someone@example.com", "subject": "Your statement", "template": 7, "body": "%s"}' % ("x" * 60)
QUEUE = "pgbench"


def measure_pgbench(url: str, batch: int, clients: int, waiting: int, seconds: float) -> list[Result]:
    """Nothing at all when there is no pgbench. Without where the head was last seen: pgbench remembers nothing."""
    if shutil.which("pgbench") is None:
        return []
    queue = f"INSERT INTO queues (name) VALUES ('{QUEUE}') ON CONFLICT DO NOTHING"
    _psql(url, f"TRUNCATE queue_messages; {queue}; {_filled(waiting)}")
    sends = _pgbench(url, "send", _send_script(batch), batch, clients, waiting, seconds)
    _psql(url, _filled(200_000 + int(sends.per_second * seconds)))
    receives = _pgbench(url, "receive and acknowledge", _receive_script(batch), batch, clients, waiting, seconds)
    _psql(url, "TRUNCATE queue_messages")
    return [sends, receives]


def _filled(count: int) -> str:
    return (
        "INSERT INTO queue_messages (queue_id, payload, payload_bytes) "
        f"SELECT id, '{PAYLOAD}', {len(PAYLOAD)} FROM queues, generate_series(1, {count}) WHERE name = '{QUEUE}'"
    )


def _send_script(batch: int) -> str:
    payloads = f"array_fill('{PAYLOAD}'::text, ARRAY[{batch}])"
    numbers = "array_fill({}, ARRAY[{}])"
    sizes, delays = numbers.format(len(PAYLOAD), batch), numbers.format(0, batch)
    values = {"send_lock": str(SEND_LOCK), "payloads": payloads, "payload_bytes": sizes, "delays": delays}
    return f"{_with_values(SEND.text, values)};\n"


def _receive_script(batch: int) -> str:
    """The claim's receipts go on to the acknowledgement through pgbench's variables."""
    values = {
        "head_id": "0",
        "hidden_from": "NULL",
        "wanted": str(batch),
        "consumers": "'{c}'",
        "timeouts": "'{30}'",
        "limits": f"'{{{batch}}}'",
        "last_places": f"'{{{batch}}}'",
    }
    claim = _with_values(CLAIM.text, values).rpartition("SELECT edges.head_id")[0]
    receipts = "SELECT coalesce(array_agg(id), '{}') AS ids, coalesce(array_agg(receipt), '{}') AS tokens FROM leased"
    acknowledge = _with_values(ACKNOWLEDGE.text, {"ids": "':ids'", "tokens": "':tokens'"})
    return f"{claim}{receipts}\n\\gset\n{acknowledge};\n"


def _with_values(statement: str, values: dict[str, str]) -> str:
    return re.sub(r"(?<!:):([a-z_]+)", lambda found: {"queue": f"'{QUEUE}'", **values}[found[1]], statement)


def _pgbench(url: str, operation: str, script: str, batch: int, clients: int, waiting: int, seconds: float) -> Result:
    options = " ".join(f"-c {name}={value}" for name, value in PLANNER_SETTINGS.items())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "script.sql"
        file.write_text(script)
        command = ["pgbench", "--no-vacuum", f"--client={clients}", "--jobs=1", f"--time={max(1, int(seconds))}"]
        outcome = subprocess.run(
            [*command, f"--file={file}", url], env={"PGOPTIONS": options}, check=True, capture_output=True, text=True
        ).stdout
    tps = float(re.search(r"^tps = ([\d.]+)", outcome, re.MULTILINE)[1])  # type: ignore[index]  # check=True: it is there
    latency = float(re.search(r"^latency average = ([\d.]+)", outcome, re.MULTILINE)[1])  # type: ignore[index]
    return Result("pgbench", operation, batch, clients, waiting, tps * batch, latency, None)


def _psql(url: str, statements: str) -> None:
    subprocess.run(["psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--command={statements}", url], check=True)


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
    entries = [{"Id": str(number), "MessageBody": PAYLOAD} for number in range(batch)]
    client.send_message_batch(QueueUrl=address, Entries=entries)
    return batch


def _sqs_receive(client: Any, address: str, batch: int) -> int:
    messages = client.receive_message(QueueUrl=address, MaxNumberOfMessages=batch).get("Messages", [])
    entries = [{"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(messages)]
    if entries:
        client.delete_message_batch(QueueUrl=address, Entries=entries)
    return len(entries)
