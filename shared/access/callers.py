"""Who asks, and what they may: the scopes of a key, and what a route can need of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

READ: Final = "read"
UPLOAD: Final = "upload"
ADMIN: Final = "admin"
METRICS: Final = "metrics"
QUEUES: Final = "queues:"
# Before the name of a person who signed in at the company's provider. No key's name has a colon, so that nobody is
# taken for a key, whatever they may call themselves there.
PERSON: Final = "person:"
# A queue's name, in which `*` stands for any text.
SCOPE_PATTERN: Final = r"^(read|upload|admin|metrics|queues:[A-Za-z0-9._*-]{1,80})$"

# Where the layer leaves who asks, for the routes behind it.
SCOPE_KEY: Final = "rollcall.caller"
# And which routes the request fits (`shared.access.route_needs.Match`).
MATCHES_KEY: Final = "rollcall.matches"

NeedKind = Literal[
    "nothing", "a key", "metrics", "read", "upload", "own upload", "seen upload", "seen uploads", "queue", "admin"
]


@dataclass(frozen=True, slots=True)
class Need:
    """What a route asks of its caller. `queue` names the queue of a route whose path does not."""

    kind: NeedKind
    queue: str | None = None
    # Whether a request that is no GET brings JSON, or has a body of another kind.
    takes_json: bool = True
    # Whether it brings a file, of which a caller sends a few at a time.
    brings_file: bool = False
    # A GET that does more than look: to be sent by our own pages alone, like every other method.
    changes: bool = False
    # What the audit calls it; None: it is not noted.
    action: str | None = None
    # A browser looks at it: it is sent to the page where one signs in, instead of a problem.
    is_page: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """A key, or a session that somebody began with one. Keys of one name are one and the same caller, so that a key can
    be replaced while the other still works: what one of them uploaded is the other's, too.

    `name` is None where authentication is off.
    """

    name: str | None
    scopes: frozenset[str]
    key_id: str | None = None
    session_id: str | None = None

    @property
    def is_person(self) -> bool:
        return self.name is not None and self.name.startswith(PERSON)

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.scopes

    def has(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes

    @property
    def sees_own_uploads_alone(self) -> bool:
        return not self.has(READ)

    def may_change(self, uploaded_by: str | None) -> bool:
        """An upload that came by a key of this name."""
        return self.is_admin or (UPLOAD in self.scopes and uploaded_by is not None and uploaded_by == self.name)

    def reaches_queue(self, queue: str) -> bool:
        return self.is_admin or any(_covers(scope, queue) for scope in self.scopes if scope.startswith(QUEUES))

    @property
    def reaches_all_queues(self) -> bool:
        return self.is_admin or f"{QUEUES}*" in self.scopes

    @property
    def reaches_a_queue(self) -> bool:
        return self.is_admin or any(scope.startswith(QUEUES) for scope in self.scopes)


# Of a service whose authentication is off.
ANYBODY: Final = Caller(None, frozenset({ADMIN}))

# Of a page that is open to all.
NOBODY: Final = Caller(None, frozenset())


def missing_scope(caller: Caller, need: Need, parameters: Mapping[str, str]) -> str | None:
    """The scope that the caller lacks, in words; None if none. Whose upload it is, is not looked at here."""
    match need.kind:
        case "nothing" | "a key":
            return None
        case "metrics":
            return None if caller.has(METRICS) or caller.has(READ) else METRICS
        case "read":
            return None if caller.has(READ) else READ
        case "upload" | "own upload":
            return None if caller.has(UPLOAD) else UPLOAD
        case "seen upload" | "seen uploads":
            return None if caller.has(READ) or caller.has(UPLOAD) else READ
        case "queue":
            queue = need.queue or parameters.get("queue")
            if queue is None:
                return None if caller.reaches_all_queues else f"{QUEUES}*"
            # A name that no queue can have is refused by its route, and may stand in no answer.
            return None if caller.reaches_queue(queue) else QUEUES + (need.queue or "…")
        case "admin":
            return None if caller.is_admin else ADMIN


def needs_ownership(caller: Caller, need: Need) -> bool:
    """Whether the caller may only if the upload came by a key of the same name."""
    if caller.is_admin:
        return False
    return need.kind == "own upload" or (need.kind == "seen upload" and not caller.has(READ))


def caller_in(scope: Mapping[str, Any]) -> Caller:
    """Of a request that has passed the layer. Raises KeyError for any other, so that nobody passes by mistake."""
    caller = scope[SCOPE_KEY]
    assert isinstance(caller, Caller)  # noqa: S101 - the layer alone sets it
    return caller


def invalid_scopes(scopes: Iterable[str]) -> list[str]:
    return [scope for scope in scopes if re.fullmatch(SCOPE_PATTERN, scope) is None]


def _covers(scope: str, queue: str) -> bool:
    return _pattern_of(scope).fullmatch(queue) is not None


@lru_cache(maxsize=1024)
def _pattern_of(scope: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, scope.removeprefix(QUEUES).split("*"))), re.DOTALL)
