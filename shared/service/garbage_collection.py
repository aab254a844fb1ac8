"""Keeps the garbage collector from stopping a service: all of its settings are here."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

# A chunk makes thousands of lists and tuples, all freed by their reference counts. At the usual threshold of a few
# hundred new objects the collector walks over them several times a chunk, and now and then over all modules' objects.
NEW_OBJECTS_A_COLLECTION = 100_000


def collect_seldom() -> None:
    """For a service that carries rows, once it is set up: startup's objects are left alone, and collections are rare.

    What is there by now stays as long as the process, and need not be looked at again.
    """
    _leave_startup_objects_alone()
    gc.set_threshold(NEW_OBJECTS_A_COLLECTION, 10, 10)


@contextlib.contextmanager
def startup_objects_left_alone() -> Iterator[None]:
    """For a service that answers requests: a collection that walks over all of startup's objects stops it for 0.1 s.

    Undone at the end, for a process that goes on without the service, as a test's does.
    """
    _leave_startup_objects_alone()
    try:
        yield
    finally:
        gc.unfreeze()


def _leave_startup_objects_alone() -> None:
    gc.collect()
    gc.freeze()
