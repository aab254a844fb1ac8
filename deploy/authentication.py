"""Whether the system that is brought up asks for keys, and the first key of one that does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace

from deploy.checkout import CHECKOUT, Endpoints, read_endpoints
from tools import virtualenv

VARIABLE = "ROLLCALL_AUTHENTICATION"
COMMAND = ("-m", "api_service.access.create_key", "--only-first")


def choose(auth: str | None) -> None:
    """For all that is started from here. Not said and never chosen, it is left to the environment and to Compose."""
    before = read_endpoints()
    chosen = auth or (before.authentication if before else None)
    if chosen is not None:
        os.environ[VARIABLE] = chosen


def as_it_is(endpoints: Endpoints) -> Endpoints:
    """With what the API itself says, whoever decided it."""
    try:
        with urllib.request.urlopen(f"{endpoints.api_url}/v1/self", timeout=30) as answer:
            is_on = bool(json.load(answer)["authentication"])
    except urllib.error.HTTPError as refusal:
        if refusal.code != 401:
            raise
        is_on = True
    return replace(endpoints, authentication="on" if is_on else "off")


def said_of(endpoints: Endpoints) -> str:
    """A line or two for whoever brought it up; the first key is made and shown here, this once."""
    if endpoints.authentication != "on":
        return "  Authentication is off: whoever reaches these addresses on this machine may do all. `make up AUTH=on`"
    key = _first_key(endpoints)
    if key is None:
        return "  Authentication is on. An admin key was made before: with it, or at /sign-in, you make others."
    return f"  Authentication is on. The first admin key, shown this once:\n\n    {key}\n"


def _first_key(endpoints: Endpoints) -> str | None:
    """None if there is one that may all already."""
    if endpoints.mode == "compose":
        command = ["docker", "compose", "exec", "-T", "api_service", "python", *COMMAND]
        environment = dict(os.environ)
    else:
        command = [str(virtualenv.PYTHON), *COMMAND]
        environment = {**os.environ, "ROLLCALL_DATABASE_URL": endpoints.database_url or ""}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(f"The first key could not be made:\n{done.stderr}")
    return done.stdout.strip() or None
