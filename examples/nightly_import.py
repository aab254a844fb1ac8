"""Imports an HR system's export, but only if its preview looks right: `python examples/nightly_import.py staff.csv`.

Every employee of the file is updated. If more than one row in twenty would be refused, nothing is done, the draft stays
for somebody to look at, and the status is 1.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

ADDRESS = os.environ.get("ROLLCALL_URL", "http://localhost:8000")
KEY = os.environ.get("ROLLCALL_API_KEY")
HEADERS = {"Authorization": f"Bearer {KEY}"} if KEY else {}
MOST_REFUSED = 0.05


def main(file: Path) -> int:
    with httpx2.Client(base_url=ADDRESS, headers=HEADERS, timeout=None) as rollcall:
        with file.open("rb") as content:
            form = {"start": "draft", "onDuplicate": "update"}
            draft = expect(rollcall.post("/v1/employee-data-upload", data=form, files={"employee_data": content}))
        address = f"/v1/uploads/{draft['id']}"
        expect(rollcall.post(f"{address}/preview"))
        preview = ended(rollcall, address, while_it_is="previewing")["preview"]
        print(f"would insert {preview['inserted']}, update {preview['updated']}, refuse {preview['rejected']}")
        if preview["rejected"] > MOST_REFUSED * preview["rowsRead"]:
            print(f"That is too many refused rows. The draft waits at {ADDRESS}/uploads/{draft['id']}")
            return 1
        # If somebody changed employees meanwhile, so that the counts would be others, it is not started.
        expect(rollcall.post(f"{address}/start", json={"ifUnchanged": True}))
        upload = ended(rollcall, address, while_it_is="queued running")
    print(
        f"{upload['status']}: {upload['inserted']} inserted, {upload['updated']} updated, {upload['rejected']} refused"
    )
    return 0


def ended(rollcall: httpx2.Client, address: str, *, while_it_is: str) -> Any:
    """The upload, once it is something else."""
    while (upload := expect(rollcall.get(address)))["status"] in while_it_is.split():
        time.sleep(0.5)
    return upload


def expect(answer: httpx2.Response) -> Any:
    """The document of a good answer; the program ends with what a bad one says."""
    document = answer.json()
    if answer.status_code >= 400:
        sys.exit(f"{document['detail']} ({document['code']})")
    return document


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
