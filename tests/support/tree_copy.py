"""A copy of this tree to change and to run tests in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.support.servers import CHECKOUT


def copy_tree(folder: Path) -> Path:
    """What git knows or would."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        source, target = CHECKOUT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return folder


def run_tests(checkout: Path, arguments: Iterable[str], *, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    """With the same virtual environment; the run knows nothing of the one that it is started from."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    pytest = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        pytest, cwd=checkout, env=environment, capture_output=True, text=True, timeout=timeout_seconds
    )
