"""What each scope lets its caller do."""

from __future__ import annotations

from typing import get_args

import pytest

from shared.access.callers import Caller, Need, NeedKind, invalid_scopes, missing_scope, needs_ownership


def caller(*scopes: str) -> Caller:
    return Caller("somebody", frozenset(scopes), "id")


@pytest.mark.parametrize(
    ("scope", "kinds"),
    [
        ("read", {"nothing", "a key", "metrics", "read", "seen upload", "seen uploads"}),
        ("upload", {"nothing", "a key", "upload", "own upload", "seen upload", "seen uploads"}),
        ("metrics", {"nothing", "a key", "metrics"}),
        ("queues:*", {"nothing", "a key", "queue"}),
        ("admin", set(get_args(NeedKind))),
    ],
)
def test_scope_is_enough_for_these_and_for_no_other(scope: str, kinds: set[NeedKind]) -> None:
    assert {kind for kind in get_args(NeedKind) if missing_scope(caller(scope), Need(kind), {}) is None} == kinds


@pytest.mark.parametrize(
    ("pattern", "queue", "reaches"),
    [
        ("queues:jobs", "jobs", True),
        ("queues:jobs", "jobs2", False),
        ("queues:jobs-*", "jobs-a", True),
        ("queues:jobs-*", "jobs", False),
        ("queues:*", "anything", True),
        ("queues:a.b", "axb", False),
        ("queues:*-eu", "jobs-eu", True),
        ("queues:*-eu", "jobs-eu\n", False),
        ("read", "jobs", False),
        ("admin", "jobs", True),
    ],
)
def test_pattern_of_queues_reaches_those_that_it_names(pattern: str, queue: str, reaches: bool) -> None:
    assert caller(pattern).reaches_queue(queue) is reaches
    assert (missing_scope(caller(pattern), Need("queue"), {"queue": queue}) is None) is reaches
    assert (missing_scope(caller(pattern), Need("queue", queue=queue), {}) is None) is reaches


def test_the_list_of_queues_needs_all_of_them() -> None:
    assert missing_scope(caller("queues:jobs"), Need("queue"), {}) == "queues:*"
    assert missing_scope(caller("queues:*"), Need("queue"), {}) is None


def test_only_those_who_may_not_otherwise_are_asked_whose_the_upload_is() -> None:
    assert needs_ownership(caller("upload"), Need("own upload"))
    assert needs_ownership(caller("upload", "read"), Need("own upload"))
    assert not needs_ownership(caller("admin"), Need("own upload"))
    assert needs_ownership(caller("upload"), Need("seen upload"))
    assert not needs_ownership(caller("upload", "read"), Need("seen upload"))


def test_scopes_are_known_or_none() -> None:
    wrong = ["", "Read", "read ", "queues:", "queues:a b", "queues:é", "admin\n", "root", "queues:" + "a" * 81]
    assert invalid_scopes(["read", "upload", "admin", "metrics", "queues:*", "queues:a.b-c_*", *wrong]) == wrong
