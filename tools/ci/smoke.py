"""From nothing to the listing, as an operator brings it up: `python3 -m tools.ci.smoke compose|local`.

The sample is uploaded twice, the second time after a backup was restored. The demo fails unless its counts add up; the
second time all good rows are duplicates.
Nothing is left running, whatever happens.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from deploy.checkout import get_json, read_endpoints
from deploy.program import free_port

CONSUMERS = 3
COMPOSE_UP = ("docker", "compose", "up", "--build", "--detach", "--wait", f"--scale=consumer_service={CONSUMERS}")
COMPOSE_DOWN = ("docker", "compose", "down", "--volumes", "--remove-orphans", "--rmi", "local")
# While there is a system that has nothing to do.
IDLE_COSTS = ("make", "test-long", "ARGS=--color=no tests/acceptance/test_idle_costs.py")
PORTS = {"ROLLCALL_API_PORT": 8000, "ROLLCALL_PRODUCER_PORT": 8001, "ROLLCALL_MANAGEMENT_PORT": 15672}


def main(mode: str) -> None:
    # Beside whatever else runs on this machine.
    os.environ.setdefault("COMPOSE_PROJECT_NAME", f"rollcall-ci-{os.getpid()}")
    if mode == "compose":
        os.environ.update({name: str(free_port(port)) for name, port in PORTS.items()})
    demo = ("make", "demo", f"MODE={mode}", f"CONSUMERS={CONSUMERS}")
    try:
        if mode == "compose":
            subprocess.run(COMPOSE_UP, check=True)
        subprocess.run(demo, check=True)
        back_up_and_restore(mode)
        again = subprocess.run(demo, check=True, stdout=subprocess.PIPE, text=True).stdout
        if not only_duplicates(again):
            sys.exit(f"Uploaded again, the sample's good rows were not all duplicates:\n{again}")
        print("Uploaded again: every good row is a duplicate.", flush=True)
        require_guide()
        subprocess.run(IDLE_COSTS, check=True)
        check_keys(mode)
    except subprocess.CalledProcessError as failed:
        if mode == "compose":
            subprocess.run(("docker", "compose", "logs", "--no-color", "--tail=20"))
        sys.exit(f"{' '.join(map(str, failed.cmd))} ended with status {failed.returncode}")
    finally:
        subprocess.run(("make", "clean"))
        if mode == "compose":
            subprocess.run(COMPOSE_DOWN)


def check_keys(mode: str) -> None:
    """`make up AUTH=on` prints a key, once, that the system asks for from then on, until it is told otherwise."""
    up = ("make", "up", f"MODE={mode}", f"CONSUMERS={CONSUMERS}")
    first, second = (
        subprocess.run((*up, *more), check=True, stdout=subprocess.PIPE, text=True).stdout
        for more in (("AUTH=on",), ())
    )
    keys = re.findall(r"\brc_\w+", first)
    endpoints = read_endpoints()
    if len(keys) != 1 or "rc_" in second or endpoints is None:
        sys.exit(f"AUTH=on did not print one key, once:\n{first}\n{second}")
    statuses = [answered(f"{endpoints.api_url}/v1/employees", key) for key in (None, keys[0][:-1], keys[0])]
    if statuses != [401, 401, 200]:
        sys.exit(
            f"With AUTH=on the list of employees was answered {statuses} without a key, with a wrong one, and with it."
        )
    print("With AUTH=on a key is asked for, and the printed one is good.", flush=True)


def answered(url: str, key: str | None) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def require_guide() -> None:
    """The image, or the local mode, has the documentation, and says there what an error means."""
    endpoints = read_endpoints()
    assert endpoints is not None
    address, _, code = _type_of_an_error(endpoints.api_url).partition("#")
    for url in (endpoints.api_url, endpoints.producer_url):
        with urllib.request.urlopen(url + address, timeout=30) as page:
            if f'id="{code}"' not in page.read().decode():
                sys.exit(f"{url}{address} does not say what {code} means")
    print("The guide is there.", flush=True)


def _type_of_an_error(api_url: str) -> str:
    try:
        get_json(f"{api_url}/v1/uploads/nothing")
    except urllib.error.HTTPError as refused:
        return str(json.load(refused)["type"])
    sys.exit("An upload without an id was found.")


def back_up_and_restore(mode: str) -> None:
    """As an operator does it. What was in stays in: the next upload of the same sample says so."""
    with tempfile.TemporaryDirectory() as folder:
        backup = f"{folder}/backup"
        subprocess.run(("make", "backup", f"MODE={mode}", f"TO={backup}"), check=True)
        subprocess.run(("make", "restore", f"MODE={mode}", f"FROM={backup}"), check=True)


def only_duplicates(said: str) -> bool:
    """True when the demo says that nothing was inserted, and something was a duplicate."""
    counts = {name: int(count.replace(",", "")) for name, count in re.findall(r"^(\w+) +([\d,]+)$", said, re.M)}
    return counts["inserted"] == 0 and counts["duplicates"] > 0


if __name__ == "__main__":
    main(sys.argv[1])
