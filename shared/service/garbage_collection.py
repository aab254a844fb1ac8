"""Keeps the garbage collector from stopping a service: all of its settings are here."""

from __future__ import annotations

import gc
from functools import cache

# A chunk makes thousands of lists and tuples, all freed by their reference counts. At the usual threshold of a few
# hundred new objects the collector walks over them several times a chunk, and now and then over all modules' objects.
NEW_OBJECTS_A_COLLECTION = 100_000


def collect_seldom() -> None:
    """For a service that carries rows, once it is set up: collections are rare and leave startup's objects alone."""
    leave_startup_objects_alone()
    gc.set_threshold(NEW_OBJECTS_A_COLLECTION, 10, 10)


@cache
def leave_startup_objects_alone() -> None:
    """Collections walk over them no more, which stopped a service for 0.1 s each; they stay as long as the process.

    Once a process: tests start many services in one.
    """
    gc.collect()
    gc.freeze()
