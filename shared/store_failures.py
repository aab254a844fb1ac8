"""Says in words for an operator what keeps an upload store from its work, from what its library says of it.

The library tells all but "not found" by its text alone. That text names folders, buckets and hosts, and stays out.
"""

from __future__ import annotations

import errno
import re
from typing import Final, NamedTuple

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_FOLDERS: Final = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "is full: its quota is used up",
    errno.EROFS: "is read-only",
    errno.EACCES: "refuses this service's user: it has to own the folder",
    errno.EPERM: "refuses this service's user: it has to own the folder",
    errno.ENOENT: "is not there: no such folder",
    errno.ENOTDIR: "is no folder",
    errno.EIO: "has a broken disk",
    errno.ESTALE: "is a mount that has to be mounted anew",
    errno.EMFILE: "cannot be opened: this process has too many open files",
}

_CREDENTIALS: Final = "refuses the credentials AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
# The codes of S3 and of what speaks it, then what its library says. The first that is found counts.
_OF_BUCKETS: Final = (
    ("507 Insufficient", "is full"),
    ("StorageFull", "is full"),
    ("QuotaExceeded", "is full: its quota is used up"),
    ("SignatureDoesNotMatch", _CREDENTIALS),
    ("InvalidAccessKeyId", _CREDENTIALS),
    ("InvalidToken", _CREDENTIALS),
    ("ExpiredToken", "refuses AWS_SESSION_TOKEN: it has expired"),
    ("RequestTimeTooSkewed", "refuses this machine's clock: it is wrong"),
    ("AccessDenied", "denies these credentials the bucket"),
    ("NoSuchBucket", "has no such bucket"),
    ("without LOCATION", "has the bucket in another region: set AWS_REGION"),
    ("401 Unauthorized", _CREDENTIALS),
    ("403 Forbidden", "denies these credentials the bucket"),
    ("169.254.169.254", "was given no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ("Connection refused", "cannot be reached: nothing listens at AWS_ENDPOINT_URL"),
    ("failed to lookup address", "cannot be reached: the host name of AWS_ENDPOINT_URL is not known (DNS)"),
    ("InvalidCertificate", "cannot be trusted: the TLS certificate at AWS_ENDPOINT_URL"),
    ("InvalidContentType", "does not speak TLS at AWS_ENDPOINT_URL"),
    ("error sending request", "cannot be reached at AWS_ENDPOINT_URL"),
    ("SlowDown", "asks for fewer requests"),
)


class StoreFailure(NamedTuple):
    """`reason` follows on "the upload store"."""

    reason: str
    is_full: bool


def failure_of(error: BaseException) -> StoreFailure:
    number = _errno(error)
    if number is not None:
        name = errno.errorcode.get(number, str(number))
        return StoreFailure(f"{_OF_FOLDERS.get(number, 'failed')} ({name})", number in _FULL)
    text = str(error)
    reason = next((reason for sign, reason in _OF_BUCKETS if sign in text), f"failed: {type(error).__name__}")
    return StoreFailure(reason, reason.startswith("is full"))


def _errno(error: BaseException) -> int | None:
    """Of the operating system itself, or as its library writes it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    written = re.search(r"\(os error (\d+)\)", str(error))
    return None if written is None else int(written[1])
