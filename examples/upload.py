"""Uploads a file, follows it to its end, and says what was refused: `python examples/upload.py staff.csv`.

Ends with status 0 if all rows are in, with 2 if some were refused, and with 1 if the file was.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import httpx2

ADDRESS = os.environ.get("ROLLCALL_URL", "http://localhost:8000")
KEY = os.environ.get("ROLLCALL_API_KEY")
HEADERS = {"Authorization": f"Bearer {KEY}"} if KEY else {}


def main(file: Path) -> int:
    with httpx2.Client(base_url=ADDRESS, headers=HEADERS, timeout=None) as rollcall:
        with file.open("rb") as content:
            # Sent again with the same key, for example because the connection broke, the file is still uploaded once.
            key = hashlib.sha256(file.read_bytes()).hexdigest()
            answer = rollcall.post(
                "/v1/employee-data-upload", files={"employee_data": content}, headers={"Idempotency-Key": key}
            )
        if answer.status_code >= 400:
            problem = answer.json()
            print(f"{file}: {problem['detail']} ({problem['code']})")
            return 1
        upload = followed(rollcall, answer.json()["id"])
        print(f"{upload['status']}: {upload['rowsRead']} rows, {upload['inserted']} new, {upload['rejected']} refused")
        for reject in rollcall.get(f"/v1/uploads/{upload['id']}/rejects", params={"limit": 20}).json()["data"]:
            print(f"{file}:{reject['lineNumber']}: {reject['message']}")
    return 2 if upload["rejected"] else 0 if upload["status"] == "succeeded" else 1


def followed(rollcall: httpx2.Client, upload_id: str) -> dict[str, object]:
    """The upload at its end. The stream of events ends with it."""
    with rollcall.stream("GET", f"/v1/uploads/{upload_id}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data:"):
                upload = json.loads(line.removeprefix("data:"))
                print(f"\r{upload['progress']:4.0%}", end="", file=sys.stderr)
    print(file=sys.stderr)
    final: dict[str, object] = rollcall.get(f"/v1/uploads/{upload_id}").json()
    return final


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
