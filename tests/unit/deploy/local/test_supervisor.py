"""What the supervisor does when a program of its dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from deploy.local.supervisor import Supervised
from deploy.program import Program, start


def test_what_dies_is_started_again_and_what_keeps_dying_less_and_less_often(tmp_path: Path) -> None:
    program = Program("sample", [sys.executable, "-c", "raise SystemExit(1)"], dict(os.environ), lambda: False)
    supervised = Supervised(start(program, tmp_path / "log"))
    pauses = []
    for _ in range(4):
        first = supervised.running
        first.process.wait(timeout=60)
        now = first.started_at
        supervised.look_after(now)
        assert supervised.restart_at is not None
        pauses.append(supervised.restart_at - now)
        supervised.look_after(supervised.restart_at - 0.01)
        assert supervised.running is first
        supervised.look_after(supervised.restart_at)
        assert supervised.running is not first
    assert pauses == [pytest.approx(pause) for pause in (0.5, 1, 2, 4)]
    supervised.running.stop()
