"""What keeps a store from its work is told in words, by what the library says of it."""

from __future__ import annotations

import errno

import pytest
from obstore.exceptions import GenericError

from shared.store_failures import failure_of

SECRET = "https://minio.internal:9000/people"


@pytest.mark.parametrize(
    ("text", "reason", "is_full"),
    [
        ("Unable to open file /x/k#1: Read-only file system (os error 30)", "is read-only (EROFS)", False),
        ("Unable to copy data to file: No space left on device (os error 28)", "is full (ENOSPC)", True),
        ("Disk quota exceeded (os error 122)", "is full: its quota is used up (EDQUOT)", True),
        ("Permission denied (os error 13)", "refuses this service's user: it has to own the folder (EACCES)", False),
        ("Stale file handle (os error 116)", "is a mount that has to be mounted anew (ESTALE)", False),
        ("Some day (os error 71)", "failed (EPROTO)", False),
        ("status code: 507 Insufficient Storage: <Code>XMinioStorageFull</Code>", "is full", True),
        (
            "status code: 403 Forbidden: <Code>InvalidAccessKeyId</Code>",
            "refuses the credentials AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            False,
        ),
        (
            "status code: 403 Forbidden: <Code>SignatureDoesNotMatch</Code>",
            "refuses the credentials AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            False,
        ),
        ("status code: 403 Forbidden: <Code>AccessDenied</Code>", "denies these credentials the bucket", False),
        ("status code: 404 Not Found: <Code>NoSuchBucket</Code>", "has no such bucket", False),
        (
            'HTTP error: error sending request\n source: "Connection refused"',
            "cannot be reached: nothing listens at AWS_ENDPOINT_URL",
            False,
        ),
        (
            "error sending request\n failed to lookup address information: Name or service not known",
            "cannot be reached: the host name of AWS_ENDPOINT_URL is not known (DNS)",
            False,
        ),
        ("HTTP error: error sending request", "cannot be reached at AWS_ENDPOINT_URL", False),
        ("who knows", "failed: GenericError", False),
    ],
)
def test_failure_is_told_in_words_and_quotes_no_address(text: str, reason: str, is_full: bool) -> None:
    failure = failure_of(GenericError(f"Generic error: {SECRET}: {text}"))

    assert (failure.reason, failure.is_full) == (reason, is_full)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EIO])
def test_errno_of_the_operating_system_counts_as_it_is(number: int) -> None:
    failure = failure_of(OSError(number, "words of another language", SECRET))

    assert errno.errorcode[number] in failure.reason
    assert failure.is_full == (number == errno.ENOSPC)
