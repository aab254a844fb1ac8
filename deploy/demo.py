"""`make demo`: bring the system up, and upload a sample with bad rows in it by the commands that everybody has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.checkout import CHECKOUT, ENDPOINTS, LOCAL, SAMPLE, Endpoints, get_json, key_headers
from deploy.sample import Sample, write_sample
from deploy.up import bring_up, parse_arguments
from tools import virtualenv

COMMAND = CHECKOUT / "rollcall"
ROWS = 5_000
BAD_SHARE = 0.02
# What the command ends with then.
SOME_REJECTED = 2


def main() -> None:
    arguments = parse_arguments("Show Rollcall at work, from nothing.")
    virtualenv.ensure("client")
    endpoints = bring_up(arguments.mode, arguments.consumers, arguments.auth)
    os.environ["ROLLCALL_URL"] = endpoints.api_url
    if endpoints.authentication == "on" and not key_headers():
        sys.exit("Rollcall asks for a key here: ROLLCALL_API_KEY=rc_... make demo, with one that has `admin`.")
    sample = write_sample(SAMPLE, ROWS, BAD_SHARE)
    say(f"Rollcall is up ({endpoints.mode} mode). Uploading {sample.rows:,} employees, {sample.bad_rows} of them bad:")
    if endpoints.authentication == "off":
        say("(Authentication is off: whoever reaches it on this machine may do all. `make up AUTH=on` turns it on.)")
    try:
        upload = show_upload(endpoints.api_url, _from_here(SAMPLE))
    except OSError as error:
        sys.exit(f"The demo stopped: {_explain(error)}. Logs: {where_logs_are(endpoints)}")
    wrong = what_does_not_add_up(upload, sample)
    if wrong:
        sys.exit("This does not add up: " + "; ".join(wrong))
    say(f"\nEvery row is accounted for: {upload['rowsRead']:,} read = inserted + updated + duplicates + rejected.")
    if upload["duplicates"]:
        say("(The good rows are duplicates, because the same sample was uploaded before; `make clean` forgets it.)")
    show_where_to_look_next(endpoints, upload["id"])


def show_upload(api_url: str, file: str) -> dict[str, Any]:
    """The sample from its file to its rejected rows, by the commands that everybody has; the finished upload."""
    run_command("upload", file, ends_with=SOME_REJECTED)
    upload: dict[str, Any] = get_json(f"{api_url}/v1/uploads?limit=1")["data"][0]
    run_command("employees", "--limit", "5")
    run_command("rejects", upload["id"], "--limit", "5")
    run_command("verify", upload["id"], file)
    return upload


def run_command(*arguments: str, ends_with: int = 0) -> None:
    """As somebody would type it, with what it prints. Raises OSError when it ends otherwise."""
    say(f"\n$ ./rollcall {' '.join(arguments)}")
    # Its tables are for people, also where they read them out of a log.
    environment = {"COLUMNS": "120", **os.environ, "ROLLCALL_FORCE_TTY": "1"}
    ended = subprocess.run([COMMAND, *arguments], env=environment).returncode
    if ended != ends_with:
        raise OSError(f"`./rollcall {arguments[0]}` ended with status {ended} instead of {ends_with}")


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
    say(f"  the page for people       {api}/")
    say(f"  the API's documentation   {api}/docs")
    say(f"  the queues                {endpoints.management_url}  (user and password: {_from_here(ENDPOINTS)})")
    say("  who is called Nakamura    ./rollcall employees --search nakamura")
    say(f"  the bad rows, to correct  ./rollcall rejects {upload_id} --csv -o bad.csv")
    say(f"  and back they go          ./rollcall correct {upload_id} bad.csv")
    say("  a file of your own        ./rollcall check employees.csv, ./rollcall upload employees.csv")
    say(f"  the same without it       curl -F employee_data=@employees.csv {api}/v1/employee-data-upload")
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
