"""Installs Debian's browser for the tests that look through one: `python -m tools.ci.chromium`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGE = "chromium"
# A mirror fails now and then, and another apt may be at work.
PATIENCE = ("-o", "Acquire::Retries=3", "-o", "Acquire::http::Timeout=60", "-o", "DPkg::Lock::Timeout=300")


def main() -> None:
    if shutil.which(PACKAGE):
        return
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    environment = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *PATIENCE]
    # A list that is missing or old finds nothing, or a version that is no longer there.
    for command in (["update"], ["install", "-y", "--no-install-recommends", PACKAGE]):
        if subprocess.run([*environment, *command], stdin=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"{PACKAGE} could not be installed: apt-get says above why")


if __name__ == "__main__":
    main()
