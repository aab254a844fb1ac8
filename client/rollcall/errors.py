"""What can go wrong, as exceptions; one class for each code that the service refuses with stands in `problem_codes`.

RollcallError
├── Unreachable          nobody answers at the address, or the connection broke off
├── UnexpectedAnswer     somebody else answers there, or a release that this client cannot read
└── Problem              the service refused: `code` is stable, `detail` says what to do
    ├── Refused          what was sent cannot be taken as it is
    │   └── NotAllowed   nor by whoever holds this key
    ├── NotFound         there is no such thing
    ├── Conflict         not in the state that it is in
    ├── Gone             it was there, and is not kept any more
    └── NotNow           the service has no room or no time: the same request may be taken later
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from rollcall.models import EncodingCandidate, RowFault


class RollcallError(Exception):
    """The root of all that this client raises by itself."""


class BadTarget(RollcallError):
    """The address, the key or the file of authorities cannot be ones. Nothing was asked."""


class Unreachable(RollcallError):
    """Nobody answers at `url`, or the connection broke off. What was asked for may have been done all the same."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} cannot be reached: {reason}")
        self.url = url
        self.reason = reason


class UnexpectedAnswer(RollcallError):
    """The answer is none of Rollcall's: a proxy's page, or a release that this client cannot read."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"an answer that is none of Rollcall's, with status {status}: {reason}")
        self.status = status


class Problem(RollcallError):
    """The service refused. `errors` are the culprits where there are several, `faults` those of a row."""

    code: str = ""
    _by_code: ClassVar[dict[str, type[Problem]]] = {}

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.detail = str(document.get("detail") or document.get("title") or f"status {status}")
        super().__init__(self.detail)
        self.status = status
        self.code = str(document.get("code") or self.code)
        self.title = str(document.get("title") or "")
        self.errors: Sequence[Mapping[str, str]] = document.get("errors") or ()
        self.faults = msgspec.convert(document.get("faults") or [], list[RowFault])
        self.document = dict(document)

    def __init_subclass__(cls, code: str | None = None, is_family: bool = False) -> None:
        if not is_family:
            cls.code = code or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
            Problem._by_code[cls.code] = cls

    @classmethod
    def of(cls, status: int, document: Mapping[str, Any]) -> Problem:
        """The exception for a problem document: that of its code, or of its status where a newer service said it."""
        from rollcall import problem_codes  # noqa: F401  # each of its classes says its code

        known = cls._by_code.get(str(document.get("code")))
        return (known or _family(status))(status, document)


class Refused(Problem, is_family=True):
    """What was sent cannot be taken as it is."""


class NotAllowed(Refused, is_family=True):
    """Whoever sent this may not do it."""


class NotFound(Problem):
    """There is no such thing."""


class Conflict(Problem, is_family=True):
    """Not in the state that it is in."""


class Gone(Problem, is_family=True):
    """It was there, and is not kept any more."""


class NotNow(Problem, is_family=True):
    """The service has no room or no time, or a part of it is away: the same request may be taken later."""

    retry_after_seconds: float | None = None


class FileRefused(Refused, is_family=True):
    """The file as a whole cannot be taken, or not with these options."""


class UnclearEncoding(FileRefused, code="encoding_unclear"):
    """The file can be read in several encodings: send it again with one of `candidates`, chosen by how it reads."""

    @property
    def candidates(self) -> list[EncodingCandidate]:
        return msgspec.convert(self.document.get("candidates") or [], list[EncodingCandidate])


def _family(status: int) -> type[Problem]:
    families: dict[int, type[Problem]] = {
        401: NotAllowed,
        403: NotAllowed,
        404: NotFound,
        409: Conflict,
        410: Gone,
        412: Conflict,
        428: Conflict,
        429: NotNow,
    }
    return families.get(status) or (NotNow if status >= 500 else Refused)
