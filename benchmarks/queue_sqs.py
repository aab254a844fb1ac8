"""The SQS endpoint through boto3, and another to measure it against: moto's, in memory and without durability."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3

from benchmarks.queue_load import PAYLOAD_TEXT
from benchmarks.result import Result, summarise
from deploy.program import Program, free_port, start

# SQS takes no more.
BATCHES = (1, 10)

# One action of a client on its connection to a queue. It returns the number of messages that it acted on.
Step = Callable[[Any, str, int], int]


def measure_sqs(name: str, server_urls: Sequence[str], clients: Sequence[int], seconds: float) -> Iterator[Result]:
    """Send first, and then receive for as long, or until there is no more. The clients share the servers evenly."""
    for batch in BATCHES:
        for count in clients:
            connections = [_connect(server_urls[number % len(server_urls)]) for number in range(count)]
            queue_url = connections[0].create_queue(QueueName=f"bench-{batch}-{count}")["QueueUrl"]
            for operation, step in (("send", _send), ("receive and acknowledge", _receive)):
                yield _run(name, connections, queue_url, batch, seconds, operation, step)


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"{url}/moto-api/", timeout=5).status == 200)
        return False

    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        running = start(Program("moto", command, os.environ, answers), Path(folder) / "moto.log")
        try:
            running.wait_until_ready()
            yield url
        finally:
            running.stop()


def _connect(server_url: str) -> Any:
    # A session each: the common one is not for use by several threads.
    session = boto3.session.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
    return session.client("sqs", endpoint_url=server_url)


def _run(
    name: str, connections: Sequence[Any], queue_url: str, batch: int, seconds: float, operation: str, step: Step
) -> Result:
    latencies: list[float] = []
    done: list[int] = []
    begin = time.perf_counter()
    deadline = begin + seconds

    def work(connection: Any) -> None:
        while (step_begin := time.perf_counter()) < deadline and (count := step(connection, queue_url, batch)):
            latencies.append(time.perf_counter() - step_begin)
            done.append(count)

    threads = [threading.Thread(target=work, args=[connection]) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    return summarise(name, operation, batch, len(connections), 0, sum(done), elapsed, latencies)


def _send(connection: Any, queue_url: str, batch: int) -> int:
    entries = [{"Id": str(number), "MessageBody": PAYLOAD_TEXT} for number in range(batch)]
    connection.send_message_batch(QueueUrl=queue_url, Entries=entries)
    return batch


def _receive(connection: Any, queue_url: str, batch: int) -> int:
    messages = connection.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=batch).get("Messages", [])
    entries = [{"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(messages)]
    if entries:
        deleted = connection.delete_message_batch(QueueUrl=queue_url, Entries=entries)
        assert len(deleted["Successful"]) == len(entries), deleted
    return len(entries)
