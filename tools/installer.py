"""Puts the packages of a lock into a virtual environment: with uv, which takes seconds, else with pip.

uv comes from the package index like everything else, by pip and with its hashes, and lies in the virtual environment.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from deploy.checkout import CHECKOUT

UV_LOCK = CHECKOUT / "requirements" / "uv.txt"
# Wheels alone: nothing is built here, and nothing of a package runs before it is imported.
LOCKED = ("--require-hashes", "--only-binary=:all:")
# How pip's settings are called by uv, which does not read them.
_SETTINGS = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
_PIP_WORKS_FROM_OUTSIDE = (22, 3)
# The Python that virtual environments are made from, whether this one is in one or not.
_OUTSIDE = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def install(python: Path, lock: Path, *, compile_all: bool = False) -> bool:
    """False when it could not. `compile_all` compiles every file to bytecode, not each when it is first imported."""
    uv = ensure_uv(python)
    if uv is not None:
        options = ["--quiet", *LOCKED, *(["--compile-bytecode"] if compile_all else [])]
        command: list[str | Path] = [uv, "pip", "install", f"--python={python}", *options, f"--requirement={lock}"]
        if subprocess.run(command, env=environment_of_uv()).returncode == 0:
            return True
        print("uv could not; once more with pip:", file=sys.stderr, flush=True)
    return _pip_install(python, lock)


def ensure_uv(python: Path) -> Path | None:
    """The uv of the virtual environment, of the version that is locked; None where there is none to be had."""
    uv = python.with_name("uv")
    if _version(uv) != _locked_version() and not _pip_install(python, UV_LOCK):
        print("There is no uv for this machine: pip, which takes longer, does its work.", file=sys.stderr, flush=True)
        return None
    return uv


def environment_of_uv() -> dict[str, str]:
    """Lets uv go where pip is told to go, and trust whom the machine trusts."""
    listing = subprocess.run([_OUTSIDE, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    return translated(os.environ, parse_pip_settings(listing))


def translated(environment: Mapping[str, str], pip_settings: Mapping[str, str]) -> dict[str, str]:
    """The environment with pip's settings under uv's names; what is said to uv itself wins."""
    settings = {ours: pip_settings[name] for name, ours in _SETTINGS.items() if name in pip_settings}
    return {"UV_SYSTEM_CERTS": "true", **settings, **environment}


def parse_pip_settings(listing: str) -> dict[str, str]:
    """`pip config list`, which says `global.index-url='…'`: the environment wins, then the section of the command."""
    sections = ("global", "install", ":env:")
    found = re.findall(r"^(global|install|:env:)\.([a-z-]+)='(.*)'$", listing, re.M)
    return {name: value for section, name, value in sorted(found, key=lambda each: sections.index(each[0]))}


def _pip_install(python: Path, lock: Path) -> bool:
    options = ["-qq", "--disable-pip-version-check", *LOCKED, f"--requirement={lock}"]
    return subprocess.run([*_pip(python), "install", *options]).returncode == 0


@cache
def _pip(python: Path) -> list[str | Path]:
    """The system's pip, if it can install from outside: putting another one in would take longer than uv does."""
    if _pip_version([_OUTSIDE, "-m", "pip"]) >= _PIP_WORKS_FROM_OUTSIDE:
        return [_OUTSIDE, "-m", "pip", f"--python={python}"]
    own: list[str | Path] = [python, "-m", "pip"]
    if _pip_version(own) == (0, 0):
        subprocess.run([python, "-m", "ensurepip"], check=True, capture_output=True)
    return own


def _pip_version(pip: list[str | Path]) -> tuple[int, int]:
    done = subprocess.run([*pip, "--version"], capture_output=True, text=True)
    found = re.match(r"pip (\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _version(uv: Path) -> str | None:
    try:
        done = subprocess.run([uv, "--version"], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.split()[1] if done.returncode == 0 else None


def _locked_version() -> str:
    found = re.search(r"^uv==(\S+)", UV_LOCK.read_text(), re.M)
    assert found is not None, f"{UV_LOCK} names no uv"
    return found[1]
