"""Lanes keep smaller uploads from waiting for larger ones: a producer has places of its own for each size (P6).

The smallest have a send window of their own, too. So whatever else is in progress, a small upload is taken at once, and
what stands in the queue in front of its chunks is bounded by the windows. That of the others has no more places than
keep the consumers busy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from producer_service.uploads.send_window import SendWindow

if TYPE_CHECKING:
    import asyncio
    import uuid

    from producer_service.settings import ProducerSettings

SMALL_BYTES: Final = 1 << 20
MEDIUM_BYTES: Final = 32 << 20
_ANY_BYTES: Final = 2**63 - 1
# One chunk in hand, and the next.
_PLACES_A_CONSUMER: Final = 2
# Chunks of few rows are done sooner than the next ones are read and confirmed.
_LEAST_PLACES: Final = 4


class Lane(NamedTuple):
    """Takes uploads of more than `over_bytes` and up to `up_to_bytes`, so many at a time."""

    over_bytes: int
    up_to_bytes: int
    places: int
    send_window: SendWindow
    running: dict[uuid.UUID, asyncio.Task[None]]

    @property
    def free_places(self) -> int:
        return self.places - len(self.running)

    def is_for(self, byte_count: int) -> bool:
        return self.over_bytes < byte_count <= self.up_to_bytes


def places_for(consumers: int, *, at_most: int) -> int:
    """Of the window of larger uploads. Consumers that are still to come find as much as there may be."""
    if consumers == 0:
        return at_most
    return min(at_most, max(_LEAST_PLACES, _PLACES_A_CONSUMER * consumers))


def open_lanes(settings: ProducerSettings) -> tuple[Lane, ...]:
    small_window, shared_window = SendWindow(settings.window_chunks), SendWindow(settings.window_chunks)
    return (
        Lane(-1, SMALL_BYTES, settings.max_uploads, small_window, {}),
        Lane(SMALL_BYTES, MEDIUM_BYTES, settings.max_uploads, shared_window, {}),
        Lane(MEDIUM_BYTES, _ANY_BYTES, settings.max_uploads, shared_window, {}),
    )
