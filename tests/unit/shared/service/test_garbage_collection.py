"""Rows on their way are not walked over by the garbage collector."""

from __future__ import annotations

import subprocess
import sys

from tests.support.servers import CHECKOUT

# In a process of its own, so that no other test runs under its settings.
COLLECTIONS_DURING_TEN_CHUNKS = """
import gc
from shared.service.garbage_collection import collect_seldom
collect_seldom()
before = sum(generation["collections"] for generation in gc.get_stats())
for _ in range(10):
    rows = [[str(row), "Initech"] for row in range(4000)]
after = sum(generation["collections"] for generation in gc.get_stats())
print(after - before, gc.get_freeze_count() > 0, gc.isenabled())
"""


def test_ten_chunks_of_rows_cause_no_collection() -> None:
    script = [sys.executable, "-c", COLLECTIONS_DURING_TEN_CHUNKS]
    outcome = subprocess.run(script, cwd=CHECKOUT, capture_output=True, text=True, check=True)

    assert outcome.stdout.split() == ["0", "True", "True"]
