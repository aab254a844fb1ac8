"""An upload whose copies fail is tried less and less often, but never given up; other uploads are not affected."""

from __future__ import annotations

import uuid
from itertools import pairwise

from consumer_service.copy_policy import LONGEST_PAUSE, UPLOADS_REMEMBERED, CopyPolicy


def tries(policy: CopyPolicy, upload_id: uuid.UUID, *, chunks: int) -> list[int]:
    """At which chunks an upload is tried whose every try fails."""
    tried = []
    for chunk in range(chunks):
        if policy.allows_copy(upload_id):
            tried.append(chunk)
            policy.copy_failed(upload_id)
    return tried


def test_pause_after_a_failure_doubles_up_to_the_longest() -> None:
    tried = tries(CopyPolicy(), uuid.uuid4(), chunks=210)

    pauses = [later - earlier - 1 for earlier, later in pairwise(tried)]
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]


def test_uploads_are_told_apart() -> None:
    policy = CopyPolicy()
    policy.copy_failed(uuid.uuid4())

    assert policy.allows_copy(uuid.uuid4())


def test_upload_that_was_forgotten_is_tried_again() -> None:
    policy = CopyPolicy()
    first = uuid.uuid4()
    for upload_id in (first, *(uuid.uuid4() for _ in range(UPLOADS_REMEMBERED))):
        policy.copy_failed(upload_id)

    assert policy.allows_copy(first)
