"""Keeps the garbage collector off the hot path of the two services that carry rows."""

from __future__ import annotations

import gc

# A chunk makes thousands of lists and tuples, all freed by their reference counts. At the usual threshold of a few
# hundred new objects the collector walks over them several times a chunk, and now and then over all modules' objects.
NEW_OBJECTS_A_COLLECTION = 100_000


def collect_seldom() -> None:
    """To be called once a service is set up: what is there by now stays, and need not be looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS_A_COLLECTION, 10, 10)
