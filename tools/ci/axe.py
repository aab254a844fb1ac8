"""Fetches axe-core, which looks for what shuts people out of a page, for tests alone: `python -m tools.ci.axe`."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from deploy.checkout import CHECKOUT

PACKAGE: Final = "axe-core@4.14.1"
FOLDER: Final = CHECKOUT / ".local" / "browser-tests"
SECONDS: Final = 120
# A registry that is far away fails now and then.
ATTEMPTS: Final = 2


def installed() -> Path | None:
    script = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    return script if script.exists() else None


def install() -> Path | None:
    """Fetched if need be. None where there is no npm, or it cannot fetch; npm's own words say why."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Workers of the tests may ask for it at the same time.
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        attempts = 0
        while installed() is None and attempts < ATTEMPTS:
            attempts += 1
            _fetch()
        return installed()


def _fetch() -> None:
    npm = shutil.which("npm")
    if npm is None:
        return
    command = [npm, "install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]
    with suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
        subprocess.run(command, cwd=FOLDER, stdin=subprocess.DEVNULL, timeout=SECONDS, check=True)


if __name__ == "__main__":
    if install() is None:
        print("axe-core is not there: npm is missing, or could not fetch it. The tests that need it are left out.")
        sys.exit(0)
