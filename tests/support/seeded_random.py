"""Random choices that can be repeated: the seed is printed, and `ROLLCALL_TEST_SEED` gives the same ones again."""

from __future__ import annotations

import os
import random


def seeded_random() -> random.Random:
    seed = int(os.environ.get("ROLLCALL_TEST_SEED", random.randrange(2**32)))
    print(f"ROLLCALL_TEST_SEED={seed}")  # noqa: T201 - shown when the test fails
    return random.Random(seed)
