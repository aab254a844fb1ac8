"""Corrects the refused rows of an upload that one rule can correct: `python examples/correct_rejects.py UPLOAD_ID`.

The rule here: of two phone numbers in one cell, the first is kept.
"""

from __future__ import annotations

import csv
import io
import os
import re
import sys
import time

import httpx2

ADDRESS = os.environ.get("ROLLCALL_URL", "http://localhost:8000")
KEY = os.environ.get("ROLLCALL_API_KEY")
HEADERS = {"Authorization": f"Bearer {KEY}"} if KEY else {}


def main(upload_id: str) -> None:
    with httpx2.Client(base_url=ADDRESS, headers=HEADERS, timeout=None) as rollcall:
        upload = rollcall.get(f"/v1/uploads/{upload_id}").raise_for_status().json()
        [phone] = upload["fields"]["mobile_no"]["columns"]
        report = rollcall.get(f"/v1/uploads/{upload_id}/rejects.csv").raise_for_status()
        # The report begins with a byte order mark, for Excel.
        rows = csv.DictReader(io.StringIO(report.content.decode("utf-8-sig")), delimiter=upload["delimiter"])
        corrected = io.StringIO()
        # `row_number` says which row is meant; what is left out stays as it is.
        writer = csv.DictWriter(corrected, ["row_number", phone], extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            row[phone] = first_number(row[phone])
            writer.writerow(row)
        files = {"employee_data": ("corrected.csv", corrected.getvalue().encode())}
        answer = rollcall.post(f"/v1/uploads/{upload_id}/corrections", files=files)
        if answer.status_code >= 400:
            sys.exit(f"{answer.json()['detail']} ({answer.json()['code']})")
        address = answer.headers["Location"]
        while (correction := rollcall.get(address).raise_for_status().json())["finishedAt"] is None:
            time.sleep(0.5)
        print(f"{correction['inserted']} rows are in, {correction['rejected']} are still refused")


def first_number(cell: str) -> str:
    return re.split(r"\s*[/;]\s*", cell)[0]


if __name__ == "__main__":
    main(sys.argv[1])
