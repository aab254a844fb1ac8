"""Fetches axe-core, which looks for what shuts people out of a page, for tests alone: `python -m tools.ci.axe`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.checkout import CHECKOUT

PACKAGE: Final = "axe-core@4.14.1"
FOLDER: Final = CHECKOUT / ".local" / "browser-tests"
SECONDS: Final = 120


def installed() -> Path | None:
    script = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    return script if script.exists() else None


def install() -> Path | None:
    """None where there is no npm, or it cannot fetch; npm's own words say why."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]
    try:
        subprocess.run(command, cwd=FOLDER, stdin=subprocess.DEVNULL, timeout=SECONDS, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return installed()


if __name__ == "__main__":
    if not (installed() or install()):
        print("axe-core is not there: npm is missing, or could not fetch it. The tests that need it are left out.")
        sys.exit(0)
