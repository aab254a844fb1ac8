"""Whether a chunk is worth a try as new rows only: not where its upload has just met emails that are known."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid

UPLOADS_REMEMBERED = 64
LONGEST_PAUSE = 64


class CopyPolicy:
    """A try that fails costs its chunk twice over, so after each the upload's next 1, 2, 4 … 64 chunks are not tried.

    A file that was uploaded before thus loses little, and one with a few repeated emails keeps most of the gain. Only
    a guess: either way of writing ends the same.
    """

    def __init__(self) -> None:
        # For each upload how many chunks are still to pass by, and how many passed by after the last failure.
        self._pauses: OrderedDict[uuid.UUID, tuple[int, int]] = OrderedDict()

    def allows_copy(self, upload_id: uuid.UUID) -> bool:
        left, pause = self._pauses.get(upload_id, (0, 0))
        if left == 0:
            return True
        self._pauses[upload_id] = (left - 1, pause)
        return False

    def copy_failed(self, upload_id: uuid.UUID) -> None:
        _, pause = self._pauses.pop(upload_id, (0, 0))
        pause = min(max(1, pause * 2), LONGEST_PAUSE)
        self._pauses[upload_id] = (pause, pause)
        if len(self._pauses) > UPLOADS_REMEMBERED:
            self._pauses.popitem(last=False)
