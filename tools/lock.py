"""Compiles requirements/*.txt from pyproject.toml with hashes, which only uv can do: `make lock`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.checkout import CHECKOUT
from tools import installer, virtualenv

# dev first: the others take its versions, so that what is tested is what runs.
LOCKS = {
    "dev": ["dev"],
    "local": ["api_service", "producer_service", "consumer_service", "migrations", "guide"],
    "api_service": ["api_service"],
    "producer_service": ["producer_service"],
    "consumer_service": ["consumer_service"],
    "migrations": ["migrations"],
}


def main() -> None:
    uv = installer.ensure_uv(virtualenv.interpreter())
    if uv is None:
        sys.exit("`make lock` needs uv, which resolves the versions for all platforms at once, and there is none here.")
    for name, extras in LOCKS.items():
        _compile(uv, "pyproject.toml", name, *(f"--extra={extra}" for extra in extras))
    _compile(uv, "client/pyproject.toml", "client")
    _compile(uv, "requirements/bench.in", "bench")
    for name in ("guide", "uv", "audit"):
        _compile(uv, f"requirements/{name}.in", name)


def _compile(uv: Path, source: str, name: str, *options: str) -> None:
    command = [str(uv), "pip", "compile", source, f"--output-file=requirements/{name}.txt", "--quiet"]
    command += ["--universal", "--python-version=3.11", "--generate-hashes", "--no-emit-index-url"]
    command += ["--custom-compile-command=make lock", *options]
    if name != "dev":
        command.append("--constraint=requirements/dev.txt")
    subprocess.run([*command, *sys.argv[1:]], cwd=CHECKOUT, env=installer.environment_of_uv(), check=True)


if __name__ == "__main__":
    main()
