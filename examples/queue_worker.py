"""Works on the messages of a lease queue, one after the other: `python examples/queue_worker.py emails [MESSAGES]`.

A message is acknowledged when its work is done, and given back when it failed. While the work takes longer than half a
lease, the lease is extended, so that nobody else gets the message meanwhile. `MESSAGES` ends the worker after so many.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import httpx2

ADDRESS = os.environ.get("ROLLCALL_URL", "http://localhost:8000")
KEY = os.environ.get("ROLLCALL_API_KEY")
HEADERS = {"Authorization": f"Bearer {KEY}"} if KEY else {}
LEASE_SECONDS = 30


def work(payload: Any) -> None:
    """Yours. It can happen twice with one message, so it should do no harm the second time."""
    print(f"sending to {payload['to']}", flush=True)


def main(queue: str, most: int | None) -> None:
    with httpx2.Client(base_url=ADDRESS, headers=HEADERS, timeout=60) as rollcall:
        me, done = f"worker-{os.getpid()}", 0
        while most is None or done < most:
            order = {"consumerId": me, "visibilityTimeoutSeconds": LEASE_SECONDS, "waitSeconds": 20}
            leased = rollcall.post(f"/v1/queues/{queue}/receive", json=order).raise_for_status().json()["messages"]
            for message in leased:
                handle(rollcall, f"/v1/queues/{queue}/messages/{message['receipt']}", message["payload"])
                done += 1


def handle(rollcall: httpx2.Client, lease: str, payload: Any) -> None:
    """`lease` is the address of the receipt: PATCH extends it, DELETE acknowledges the message."""
    is_over = threading.Event()

    def extend() -> None:
        while not is_over.wait(LEASE_SECONDS / 2):
            rollcall.patch(lease, json={"visibilityTimeoutSeconds": LEASE_SECONDS})

    extending = threading.Thread(target=extend)
    extending.start()
    try:
        work(payload)
    except Exception as error:  # whatever it is, the message is not done
        print(f"failed, will be tried again: {error!r}", file=sys.stderr)
        rollcall.patch(lease, json={"visibilityTimeoutSeconds": 0})
    else:
        answer = rollcall.delete(lease)
        if answer.status_code == 409:
            print("too late: another worker may have done it, too", file=sys.stderr)
    finally:
        is_over.set()
        extending.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
