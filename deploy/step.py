"""The progress of a command, a line a step, apart from its result."""

from __future__ import annotations

import sys


def begin(what: str, usually: str) -> None:
    """As `Building the images (a minute the first time) ...`, on stderr: `make demo | less` shows the result alone."""
    print(f"{what} ({usually}) ...", file=sys.stderr, flush=True)
