"""The checkout's `.venv`, with exactly the packages of a lock: `python3 -m tools.virtualenv [local | dev]`."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.checkout import CHECKOUT

FOLDER = CHECKOUT / ".venv"
PYTHON = FOLDER / "bin" / "python"
INSTALLED = FOLDER / "rollcall-locks.json"  # lock → the digest that was installed
SUPERSETS = {"local": ("local", "dev"), "dev": ("dev",)}


def ensure(lock: str) -> Path:
    """The Python that has the packages of requirements/<lock>.txt; quick when it had them already."""
    if any(_installed().get(name) == _digest(name) for name in SUPERSETS[lock]) and _works():
        return PYTHON
    if not _works():
        _create()
    elif subprocess.run([PYTHON, "-c", "import pip"], capture_output=True).returncode != 0:
        subprocess.run([PYTHON, "-m", "ensurepip"], check=True, capture_output=True)
    print(f"Installing the packages of requirements/{lock}.txt into .venv ...", file=sys.stderr, flush=True)
    options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]
    requirements = CHECKOUT / "requirements" / f"{lock}.txt"
    done = subprocess.run([PYTHON, "-m", "pip", "install", *options, "--requirement", requirements])
    if done.returncode != 0:
        sys.exit("pip could not install the packages: its own words are above.")
    INSTALLED.write_text(json.dumps({**_installed(), lock: _digest(lock)}))
    return PYTHON


def _create() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            "This Python cannot make a virtual environment. On Debian and Ubuntu, one command adds that:\n"
            f"    sudo apt-get install --yes python{version}-venv"
        )
    shutil.rmtree(FOLDER, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)


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
