"""Decides which chunks are tried as a copy of new rows only, which fails at the first email that is known."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid

UPLOADS_REMEMBERED = 64
LONGEST_PAUSE = 64


class CopyPolicy:
    """A copy that fails costs its chunk twice over, so after each failure the upload's next chunks are not tried.

    They are 1, 2, 4 … 64 chunks. A file that was uploaded before thus loses little, and one with a few repeated emails
    keeps most of the gain. A wrong guess costs time alone: both ways of writing end the same.
    """

    def __init__(self) -> None:
        # For each upload: the chunks still to skip, and how many were skipped after the last failure.
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
