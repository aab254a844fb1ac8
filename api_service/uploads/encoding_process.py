"""Encodings are ranked in a process of its own, one at a time: what that takes of memory ends with it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

import structlog

log: Final = structlog.get_logger(__name__)
PROGRAM: Final = "shared.rows.rank_encodings"
SECONDS: Final = 60
_ROOT: Final = Path(__file__).parents[2]
_place = threading.Lock()


def rank_encodings_apart(cells: bytes) -> dict[str, float]:
    """As `rank_encodings`; nothing where the process fails, which makes the encoding unclear. It blocks."""
    try:
        with _place:
            ranking = subprocess.run(  # noqa: S603 - it is our own program
                [sys.executable, "-m", PROGRAM],
                input=cells,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=True,
                # It has no use for our passwords.
                env={"PYTHONPATH": str(_ROOT)},
            )
    except subprocess.SubprocessError as error:
        log.warning("the program that ranks encodings failed", error=type(error).__name__)
        return {}
    ranked: dict[str, Any] = json.loads(ranking.stdout)
    return {codec: float(likelihood) for codec, likelihood in ranked.items()}
