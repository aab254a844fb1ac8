"""A virtualenv with the packages of requirements/bench.txt, which Rollcall itself does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.checkout import CHECKOUT, LOCAL

FOLDER: Final = LOCAL / "bench-venv"
PROGRAMS: Final = FOLDER / "bin"
_REQUIREMENTS: Final = CHECKOUT / "requirements" / "bench.txt"
_INSTALLED: Final = FOLDER / "installed.txt"


def ensure() -> Path:
    """The folder of its programs; quick when it was made from the same lock before."""
    wanted = _REQUIREMENTS.read_text()
    if not _INSTALLED.exists() or _INSTALLED.read_text() != wanted:
        print("Installing the packages of requirements/bench.txt ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
        command = [str(PROGRAMS / "pip"), "install", *options, "--requirement", str(_REQUIREMENTS)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"pip could not install them:\n{done.stderr}")
        _INSTALLED.write_text(wanted)
    return PROGRAMS
