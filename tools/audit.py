"""Looks the packages of every lock up among known vulnerabilities: `make audit`.

Where the advisory service does not answer it says so in a line, and is content: that says nothing about the packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from deploy.checkout import CHECKOUT, LOCAL
from tools import installer

LOCKS: Final = ("api_service", "producer_service", "consumer_service", "migrations", "dev")
FOLDER: Final = LOCAL / "audit-venv"
_LOCK: Final = CHECKOUT / "requirements" / "audit.txt"
_INSTALLED: Final = FOLDER / "installed.txt"
# For one lock, which is one or some dozens of questions.
SECONDS: Final = 120
ANSWER_SECONDS: Final = 10


def program() -> Path:
    """pip-audit of a virtualenv of its own; quick when it was made from the same lock before."""
    wanted = _LOCK.read_text()
    if not _INSTALLED.exists() or _INSTALLED.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", FOLDER], check=True)
        if not installer.install(FOLDER / "bin" / "python", _LOCK):
            sys.exit("pip-audit could not be installed: the installer's own words are above.")
        _INSTALLED.write_text(wanted)
    return FOLDER / "bin" / "pip-audit"


def found_in(report: Any) -> list[str] | None:
    """A line for each known vulnerability of a report of pip-audit's; None if the service knew of no package at all.

    That is how a mirror answers that has packages and no advisories: it would be wrong to call that an audit.
    """
    packages = report["dependencies"]
    if all("skip_reason" in package for package in packages):
        return None
    return [
        f"{package['name']} {package['version']}: {each['id']}, mended in "
        + (", ".join(each["fix_versions"]) or "no release")
        for package in packages
        for each in package.get("vulns", ())
    ]


def look_up(pip_audit: Path, lock: str) -> list[str] | None:
    """None if the service did not answer."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.json"
        command = [str(pip_audit), "--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
        command += [f"--timeout={ANSWER_SECONDS}", f"--output={output}"]
        command += [f"--requirement={CHECKOUT / 'requirements' / lock}.txt"]
        try:
            subprocess.run(command, capture_output=True, timeout=SECONDS)
            return found_in(json.loads(output.read_text()))
        except (subprocess.TimeoutExpired, OSError, ValueError):
            return None


def main() -> None:
    pip_audit = program()
    known: set[str] = set()
    for lock in LOCKS:
        found = look_up(pip_audit, lock)
        if found is None:
            print("No audit: the service that knows of vulnerabilities does not answer from here.", flush=True)
            return
        print(f"requirements/{lock}.txt: {len(found)} known vulnerabilities", flush=True)
        known.update(found)
    if known:
        sys.exit("\n".join(sorted(known)))


if __name__ == "__main__":
    main()
