"""`make demo`: bring the system up, upload a sample with bad rows in it, and show what became of every row."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.checkout import ENDPOINTS, LOCAL, SAMPLE, Endpoints, get_json
from deploy.sample import Sample, write_sample
from deploy.up import bring_up, parse_arguments
from shared.rows.fields import FIELD_NAMES
from shared.upload_status import FINAL_STATES

ROWS = 5_000
BAD_SHARE = 0.02
BAR_WIDTH = 40
UPLOAD_SECONDS = 120


def main() -> None:
    arguments = parse_arguments("Show Rollcall at work, from nothing.")
    endpoints = bring_up(arguments.mode, arguments.consumers)
    sample = write_sample(SAMPLE, ROWS, BAD_SHARE)
    say(f"Rollcall is up ({endpoints.mode} mode). Uploading {sample.rows:,} employees, {sample.bad_rows} of them bad:")
    try:
        upload = upload_file(endpoints.api_url, SAMPLE)
        upload = watch(f"{endpoints.api_url}/v1/uploads/{upload['id']}")
        show_counts(upload)
        show_employees(endpoints.api_url)
        show_rejects(endpoints.api_url, upload["id"])
    except OSError as error:
        sys.exit(f"The demo stopped: {_explain(error)}. Logs: {where_logs_are(endpoints)}")
    wrong = what_does_not_add_up(upload, sample)
    if wrong:
        sys.exit("This does not add up: " + "; ".join(wrong))
    say(f"Every row is accounted for: {upload['rowsRead']:,} read = inserted + updated + duplicates + rejected.")
    if upload["duplicates"]:
        say("(The good rows are duplicates, because the same sample was uploaded before; `make clean` forgets it.)")
    show_where_to_look_next(endpoints, upload["id"])


def upload_file(api_url: str, file: Path) -> Any:
    """Stream the file as multipart; the upload as the API answered it. Raises OSError when it is refused."""
    boundary = uuid.uuid4().hex
    disposition = f'form-data; name="employee_data"; filename="{file.name}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: text/csv\r\n\r\n".encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head
        with file.open("rb") as content:
            while block := content.read(64 * 1024):
                yield block
        yield tail

    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + file.stat().st_size + len(tail)),
    }
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api_url).netloc, timeout=60)
    try:
        connection.request("POST", "/v1/employee-data-upload", body(), headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status not in (200, 202):
        raise OSError(f"the upload was answered {answer.status}: {content.decode(errors='replace')}")
    return json.loads(content)


def watch(upload_url: str) -> Any:
    """Show the progress until the upload is final: a bar on a terminal, else a line for each step."""
    deadline = time.monotonic() + UPLOAD_SECONDS
    shown = ""
    while True:
        upload = get_json(upload_url)
        is_final = upload["status"] in FINAL_STATES
        progress = 1.0 if is_final else float(upload["progress"])
        done = "█" * round(progress * BAR_WIDTH)
        line = f"  {done:░<{BAR_WIDTH}} {progress:4.0%}  {upload['rowsDone']:,} rows, {upload['status']}"
        if sys.stdout.isatty():
            print(f"\r\033[K{line}", end="\n" if is_final else "", flush=True)
        elif line != shown:
            say(line)
        shown = line
        if is_final:
            return upload
        if time.monotonic() > deadline:
            raise OSError(f"the upload is not finished after {UPLOAD_SECONDS} s")
        time.sleep(0.1)


def show_counts(upload: dict[str, Any]) -> None:
    say()
    for name in ("rowsRead", "inserted", "updated", "duplicates", "rejected", "unprocessed"):
        say(f"  {name:<12} {upload[name]:>7,}")
    for code, count in sorted(upload["rejectedBy"].items()):
        say(f"    {code:<20} {count:>5,}")


def show_employees(api_url: str) -> None:
    page = get_json(f"{api_url}/v1/employees?limit=5")
    say(f"\nThe first of {page['totalData']:,} employees:")
    columns = ("id", *FIELD_NAMES)
    show_table(columns, [[str(employee[column] or "") for column in columns] for employee in page["data"]])


def show_rejects(api_url: str, upload_id: str) -> None:
    rejects = get_json(f"{api_url}/v1/uploads/{upload_id}/rejects?limit=5")
    depth = get_json(f"{api_url}/v1/dead-letters?limit=1")["depth"]
    say(f"\nThe first of this upload's {rejects['totalData']:,} rejected rows (dead letters in the queue: {depth:,}):")
    columns = ("rowNumber", "code", "message")
    show_table(columns, [[str(reject[column]) for column in columns] for reject in rejects["data"]])
    say()


def show_table(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def what_does_not_add_up(upload: dict[str, Any], sample: Sample) -> list[str]:
    wrong = []
    outcomes = {name: upload[name] for name in ("inserted", "updated", "duplicates", "rejected", "unprocessed")}
    if upload["status"] != "partially_succeeded":
        wrong.append(f"the upload ended {upload['status']} ({upload['problem']}) instead of partially_succeeded")
    if upload["rowsRead"] != sum(outcomes.values()):
        wrong.append(f"{upload['rowsRead']} rows were read, and {outcomes} are {sum(outcomes.values())}")
    if upload["rowsRead"] != sample.rows:
        wrong.append(f"{upload['rowsRead']} rows were read of {sample.rows}")
    if upload["unprocessed"]:
        wrong.append(f"{upload['unprocessed']} rows were left unprocessed")
    if upload["rejectedBy"] != dict(sample.bad):
        wrong.append(f"{upload['rejectedBy']} were rejected instead of {dict(sample.bad)}")
    return wrong


def show_where_to_look_next(endpoints: Endpoints, upload_id: str) -> None:
    api = endpoints.api_url
    say("\nWhere to look next:")
    say(f"  the API's documentation   {api}/docs")
    say(f"  the queues                {endpoints.management_url}  (user and password: {_from_here(ENDPOINTS)})")
    say(f"  who is called Nakamura    curl '{api}/v1/employees?searchTerm=nakamura&limit=3'")
    say(f"  the bad rows, to correct  curl '{api}/v1/uploads/{upload_id}/rejects.csv'")
    say(f"  a file of your own        curl -F employee_data=@employees.csv {api}/v1/employee-data-upload")
    say("  stop it, or start afresh  make down, make clean")


def where_logs_are(endpoints: Endpoints) -> str:
    return "docker compose logs" if endpoints.mode == "compose" else _from_here(LOCAL / "logs")


def _explain(error: OSError) -> str:
    address = getattr(error, "url", None)
    return f"{error} ({address})" if address else str(error)


def _from_here(path: Path) -> str:
    return os.path.relpath(path)


def say(text: str = "") -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
