"""The parts of the benchmark. Each can be measured alone, or all one after the other."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine
from typing import Final, NamedTuple

from benchmarks import (
    fates,
    ingest,
    keys,
    listing,
    listing_costs,
    pages,
    preview,
    recovery,
    row_pipelines,
    scaling,
    single_requests,
    small_upload,
)
from benchmarks.figures import Outcome


class Part(NamedTuple):
    """One thing to measure. `minutes` is what it takes on two cores, so that one knows what one waits for."""

    title: str
    minutes: float
    add_options: Callable[[argparse.ArgumentParser], None]
    measure: Callable[[argparse.Namespace], Coroutine[None, None, Outcome]]


PARTS: Final = {
    "ingest": Part("Ingest beside COPY", 5, ingest.add_options, ingest.measure),
    "preview": Part("A preview beside its upload", 5, preview.add_options, preview.measure),
    "pipelines": Part("One message a row", 12, row_pipelines.add_options, row_pipelines.measure),
    "scaling": Part("Consumers, sizes and memory", 25, scaling.add_options, scaling.measure),
    "small-behind-big": Part("A small upload behind a large one", 6, small_upload.add_options, small_upload.measure),
    "one-request": Part("Single requests", 1, single_requests.add_options, single_requests.measure),
    "listing": Part("The listing and the search", 15, listing.add_options, listing.measure),
    "listing-costs": Part("The listing's choices", 8, listing_costs.add_options, listing_costs.measure),
    "pages": Part("First paint of the pages", 10, pages.add_options, pages.measure),
    "keys": Part("Asking for keys", 4, keys.add_options, keys.measure),
    "undo": Part("An undo beside its upload", 15, fates.add_undo_options, fates.measure_undo),
    "results": Part("The results of every row", 4, fates.add_results_options, fates.measure_results),
    "corrections": Part("Rejects corrected", 2, fates.add_corrections_options, fates.measure_corrections),
    "recovery": Part("Recovery from a kill", 1, recovery.add_options, recovery.measure),
}
