"""benchmarks/results.json: the last outcome of each part, from which the document and the plot are made."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.figures import Outcome
from deploy.local import debian_packages

FILE: Final = Path(__file__).with_name("results.json")


class Machine(msgspec.Struct, frozen=True):
    """Where a part was measured."""

    processor: str
    cores: int
    memory_gib: int
    python: str
    postgres: str
    rabbitmq: str


class PartResult(msgspec.Struct, frozen=True):
    measured_at: str
    minutes: float
    machine: Machine
    outcome: Outcome


def read(file: Path = FILE) -> dict[str, PartResult]:
    """By the part's name; nothing when nothing was measured yet."""
    if not file.exists():
        return {}
    return msgspec.json.decode(file.read_bytes(), type=dict[str, PartResult])


def merge(part: str, outcome: Outcome, *, minutes: float, file: Path = FILE) -> dict[str, PartResult]:
    """Put one part's outcome in the place of its last one; the others stay. All of them."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    results = {**read(file), part: PartResult(now, round(minutes, 1), this_machine(), outcome)}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    return results


def this_machine() -> Machine:
    postgres, rabbitmq = debian_packages.postgres_programs(), debian_packages.rabbitmq_programs()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(memory / 2**30),
        python=platform.python_version(),
        postgres=postgres.parent.name if postgres else "none",
        rabbitmq=rabbitmq.parent.name.rpartition("-")[2] if rabbitmq else "none",
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
