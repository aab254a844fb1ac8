"""Compiles requirements/*.txt from pyproject.toml with hashes: `make lock`. The one command here that needs uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
# dev first: the others take its versions, so that what is tested is what runs.
LOCKS = {
    "dev": ["dev"],
    "local": ["api_service", "producer_service", "consumer_service", "migrations"],
    "api_service": ["api_service"],
    "producer_service": ["producer_service"],
    "consumer_service": ["consumer_service"],
    "migrations": ["migrations"],
}


def main() -> None:
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("`make lock` needs uv, which resolves the versions for every platform at once: pip install uv")
    for name, extras in LOCKS.items():
        _compile(uv, "pyproject.toml", name, *(f"--extra={extra}" for extra in extras))
    _compile(uv, "requirements/bench.in", "bench")


def _compile(uv: str, source: str, name: str, *options: str) -> None:
    command = [uv, "pip", "compile", source, f"--output-file=requirements/{name}.txt", "--quiet"]
    command += ["--universal", "--python-version=3.11", "--generate-hashes", "--no-emit-index-url"]
    command += ["--custom-compile-command=make lock", *options]
    if name != "dev":
        command.append("--constraint=requirements/dev.txt")
    subprocess.run([*command, *sys.argv[1:]], cwd=CHECKOUT, env=os.environ, check=True)


if __name__ == "__main__":
    main()
