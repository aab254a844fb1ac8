"""The checkout's `.venv`, with exactly the packages of a lock: `python3 -m tools.virtualenv [local | client | dev]`."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

from deploy import step
from deploy.checkout import CHECKOUT
from tools import installer

FOLDER = CHECKOUT / ".venv"
PYTHON = FOLDER / "bin" / "python"
INSTALLED = FOLDER / "rollcall-locks.json"  # lock → the digest that was installed
SUPERSETS = {"local": ("local", "dev"), "client": ("client", "dev"), "dev": ("dev",)}


def ensure(lock: str) -> Path:
    """The Python that has the packages of requirements/<lock>.txt; quick when it had them already."""
    if any(_installed().get(name) == _digest(name) for name in SUPERSETS[lock]) and _works():
        return PYTHON
    step.begin(f"Installing the packages of requirements/{lock}.txt into .venv", "under half a minute, with pip two")
    interpreter()
    # Local mode's processes start at the same time, and each would compile the same files; tests load a part of theirs.
    if not installer.install(PYTHON, CHECKOUT / "requirements" / f"{lock}.txt", compile_all=lock == "local"):
        sys.exit("The packages could not be installed: the installer's own words are above.")
    INSTALLED.write_text(json.dumps({**_installed(), lock: _digest(lock)}))
    return PYTHON


def interpreter() -> Path:
    """The Python of `.venv`, whatever packages it has; made if it is not there."""
    if _works():
        return PYTHON
    if importlib.util.find_spec("ensurepip") is None and importlib.util.find_spec("pip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            "This Python cannot make a virtual environment. On Debian and Ubuntu, one command adds that:\n"
            f"    sudo apt-get install --yes python{version}-venv"
        )
    shutil.rmtree(FOLDER, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", FOLDER], check=True)
    return PYTHON


def _works() -> bool:
    # A virtual environment dies with the Python that it was made from.
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", ""], capture_output=True).returncode == 0


def _installed() -> dict[str, str]:
    try:
        return dict(json.loads(INSTALLED.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _digest(lock: str) -> str:
    return hashlib.sha256((CHECKOUT / "requirements" / f"{lock}.txt").read_bytes()).hexdigest()


if __name__ == "__main__":
    ensure(*sys.argv[1:] or ["dev"])
