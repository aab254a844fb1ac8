"""Where things lie in this checkout, and the addresses of the system that runs from it."""

from __future__ import annotations

import fcntl
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
# Elsewhere for whoever wants a second system beside the one of this checkout.
LOCAL = Path(os.environ.get("ROLLCALL_LOCAL_FOLDER") or CHECKOUT / ".local").resolve()
LOGS = LOCAL / "logs"
ENDPOINTS = LOCAL / "endpoints.json"
SAMPLE = LOCAL / "sample.csv"  # what `make demo` uploads


@dataclass(frozen=True)
class Endpoints:
    """Written by `make up`. The databases' addresses are known in local mode only: Compose publishes neither."""

    mode: str  # compose | local
    api_url: str
    producer_url: str
    management_url: str
    management_user: str
    management_password: str
    consumer_urls: list[str] = field(default_factory=list)
    database_url: str | None = None
    amqp_url: str | None = None
    fingerprint: str | None = None  # local mode: what the running processes were started from
    authentication: str | None = None  # on | off; None: an earlier release wrote this

    def write(self) -> None:
        LOCAL.mkdir(parents=True, exist_ok=True)
        ENDPOINTS.touch(mode=0o600)
        ENDPOINTS.write_text(json.dumps(asdict(self), indent=2) + "\n")

    def all_ready(self) -> bool:
        return all(is_ready(url) for url in (self.api_url, self.producer_url, *self.consumer_urls))


def read_endpoints() -> Endpoints | None:
    try:
        return Endpoints(**json.loads(ENDPOINTS.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


@contextmanager
def alone() -> Iterator[None]:
    """Makes a second `make up`, `demo`, `down` or `clean` of this checkout wait until the first is through."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    with (LOCAL / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_ready(service_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{service_url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def key_headers() -> dict[str, str]:
    """For a system that wants a key: the one in `ROLLCALL_API_KEY`."""
    key = os.environ.get("ROLLCALL_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def get_json(url: str) -> Any:
    """The decoded answer; raises OSError (an HTTPError for 4xx and 5xx)."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=key_headers()), timeout=30) as answer:
        return json.load(answer)
