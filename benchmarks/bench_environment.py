"""A virtualenv with the packages of requirements/bench.txt, which Rollcall itself does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.checkout import CHECKOUT, LOCAL
from tools import installer

FOLDER: Final = LOCAL / "bench-venv"
PROGRAMS: Final = FOLDER / "bin"
_REQUIREMENTS: Final = CHECKOUT / "requirements" / "bench.txt"
_INSTALLED: Final = FOLDER / "installed.txt"


def ensure() -> Path:
    """The folder of its programs; quick when it was made from the same lock before."""
    wanted = _REQUIREMENTS.read_text()
    if not _INSTALLED.exists() or _INSTALLED.read_text() != wanted:
        print("Installing the packages of requirements/bench.txt ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", FOLDER], check=True)
        if not installer.install(PROGRAMS / "python", _REQUIREMENTS):
            sys.exit("They could not be installed: the installer's own words are above.")
        _INSTALLED.write_text(wanted)
    return PROGRAMS
