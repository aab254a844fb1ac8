"""Failpoints act where and when their setting says, and are nothing at all without one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from shared.service.failpoints import FailpointHit, Failpoints
from tests.support.servers import CHECKOUT


def failpoints(action: dict[str, object]) -> Failpoints:
    return Failpoints(json.dumps({"here": action}))


def test_without_a_setting_nothing_acts() -> None:
    nothing = Failpoints("")

    nothing.hit("anywhere")
    nothing.hit_among("anywhere", [""])

    assert not nothing.names("anywhere")


def test_places_that_the_setting_does_not_name_do_nothing() -> None:
    points = failpoints({"action": "raise"})

    points.hit("there")
    points.hit_among("there", [""])

    assert points.names("here")
    assert not points.names("there")


def test_place_acts_after_so_many_passes_and_so_many_times() -> None:
    points = failpoints({"action": "raise", "after": 2, "times": 2})

    assert [_hits(points) for _ in range(6)] == [False, False, True, True, False, False]


def test_pause_takes_its_time() -> None:
    points = failpoints({"action": "pause", "seconds": 0.05})
    before = time.monotonic()

    points.hit("here")

    assert time.monotonic() - before >= 0.05


def test_place_among_texts_acts_on_the_named_one_every_time() -> None:
    points = failpoints({"action": "raise", "text": "cursed@example.com"})

    for _ in range(2):
        with pytest.raises(FailpointHit):
            points.hit_among("here", ["fine@example.com", "cursed@example.com"])
    points.hit_among("here", ["fine@example.com"])


def test_kill_is_a_kill_that_nothing_can_catch() -> None:
    script = (
        "from shared.service.failpoints import Failpoints\n"
        "try:\n"
        '    Failpoints(\'{"here": {"action": "kill"}}\').hit("here")\n'
        "finally:\n"
        "    print('caught')\n"
    )
    outcome = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True)

    assert (outcome.returncode, outcome.stdout) == (-signal.SIGKILL, "")


@pytest.mark.parametrize("setting", ["{", '{"here": {"action": "explode"}}', '{"here": {"action": "kill", "afer": 1}}'])
def test_setting_with_a_mistake_is_refused(setting: str) -> None:
    with pytest.raises((msgspec.DecodeError, msgspec.ValidationError)):
        Failpoints(setting)


def _hits(points: Failpoints) -> bool:
    try:
        points.hit("here")
    except FailpointHit:
        return True
    return False
