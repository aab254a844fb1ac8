"""Sends every row through one pipeline: `python -m benchmarks.pipelines NAME`. Prints when it began, in seconds."""

from __future__ import annotations

import sys
import time
from importlib import import_module

pipeline = import_module(f"benchmarks.pipelines.{sys.argv[1]}_app")
print(time.time(), flush=True)
pipeline.send_all()
