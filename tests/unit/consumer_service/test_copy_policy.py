"""Tries that fail get rarer, those of one upload without regard to another's, and none is given up for good."""

from __future__ import annotations

import uuid
from itertools import pairwise

from consumer_service.copy_policy import LONGEST_PAUSE, UPLOADS_REMEMBERED, CopyChances


def tries(chances: CopyChances, upload_id: uuid.UUID, *, chunks: int) -> list[int]:
    """At which chunks an upload is tried whose every try fails."""
    tried = []
    for chunk in range(chunks):
        if chances.is_good(upload_id):
            tried.append(chunk)
            chances.failed(upload_id)
    return tried


def test_pause_after_a_failure_doubles_up_to_the_longest() -> None:
    tried = tries(CopyChances(), uuid.uuid4(), chunks=210)

    pauses = [later - earlier - 1 for earlier, later in pairwise(tried)]
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]


def test_uploads_are_told_apart() -> None:
    chances = CopyChances()
    chances.failed(uuid.uuid4())

    assert chances.is_good(uuid.uuid4())


def test_upload_that_was_forgotten_is_tried_again() -> None:
    chances = CopyChances()
    first = uuid.uuid4()
    for upload_id in (first, *(uuid.uuid4() for _ in range(UPLOADS_REMEMBERED))):
        chances.failed(upload_id)

    assert chances.is_good(first)
