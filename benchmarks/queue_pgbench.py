"""The lease queues' own statements through pgbench: what is left when HTTP is taken away."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from api_service.lease_queues.lease_queues import PLANNER_SETTINGS
from api_service.lease_queues.message_queries import ACKNOWLEDGE, CLAIM_IN_LINE
from api_service.lease_queues.send_queries import SEND
from benchmarks import queue_contents
from benchmarks.queue_load import MOST_RECEIVED_PER_SECOND, PAYLOAD_TEXT, Case
from benchmarks.result import Result, summarise
from shared.database.advisory_locks import LEASE_QUEUE_SENDS


async def measure_pgbench(url: str, case: Case) -> list[Result]:
    """The statements as they are, prepared, on a connection for each client."""
    queue = f"pgbench-{case.waiting}"
    if not case.waiting:
        await queue_contents.empty(url)
    await queue_contents.fill(url, queue, case.waiting, PAYLOAD_TEXT)
    sends = _pgbench(url, "send", f"{SEND.text};", case, _send_variables(queue, case.batch))
    needed = int(case.seconds * MOST_RECEIVED_PER_SECOND)
    there = await queue_contents.fill(url, queue, case.waiting + needed, PAYLOAD_TEXT)
    receives = _pgbench(url, "receive and acknowledge", _RECEIVE_SCRIPT, case, _receive_variables(queue, case.batch))
    return [sends, replace(receives, waiting=there)]


# Each client keeps in its variables what the API keeps between claims, and hands the receipts on.
_CLAIMED = """
    SELECT coalesce(array_agg(leased.id) FILTER (WHERE leased.id IS NOT NULL), '{}') AS ids,
           coalesce(array_agg(receipt) FILTER (WHERE leased.id IS NOT NULL), '{}') AS tokens,
           coalesce(max(edges.head_id), CAST(:head_id AS bigint)) AS head_id,
           coalesce(max(edges.hidden_from), '-infinity') AS hidden_from
    FROM edges LEFT JOIN leased ON true
"""
_RECEIVE_SCRIPT = f"{CLAIM_IN_LINE.text.rpartition('SELECT edges.head_id')[0]}{_CLAIMED}\n\\gset\n{ACKNOWLEDGE.text};"


def _send_variables(queue: str, batch: int) -> dict[str, object]:
    return {
        "queue": queue,
        "send_lock": LEASE_QUEUE_SENDS,
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
    options = " ".join(f"-c {name}={value}" for name, value in PLANNER_SETTINGS.items())
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
