"""Failpoints are places where a test can make a process die, stop or fail. One that no setting names does nothing.

The setting is JSON: `{"consumer.after_commit": {"action": "kill", "after": 2}}`. `action` is `kill` (SIGKILL to
ourselves), `stop` (SIGSTOP), `raise`, or `pause` for `seconds`; `after` lets so many passes go by first, `times`
(default 1) limits how often it acts. A place that works on texts acts each time that `text` is among them.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class FailpointHit(RuntimeError):
    """Raised by the action `raise`."""


class _Action(msgspec.Struct, forbid_unknown_fields=True):
    action: Literal["kill", "stop", "raise", "pause"]
    after: int = 0
    times: int = 1
    seconds: float = 1.0
    text: str = ""


class Failpoints:
    """One process's failpoints; with an empty setting they do nothing at all."""

    def __init__(self, setting: str) -> None:
        self._actions = msgspec.json.decode(setting, type=dict[str, _Action]) if setting else {}

    def names(self, name: str) -> bool:
        return name in self._actions

    def hit(self, name: str) -> None:
        if not self._actions:
            return
        action = self._actions.get(name)
        if action is None:
            return
        if action.after > 0:
            action.after -= 1
        elif action.times > 0:
            action.times -= 1
            _act(action, name)

    def hit_among(self, name: str, texts: Iterable[str]) -> None:
        """For a place that works on several texts, of which the setting names one. It acts every time."""
        action = self._actions.get(name)
        if action is not None and action.text in texts:
            _act(action, name)


def _act(action: _Action, name: str) -> None:
    match action.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "raise":
            raise FailpointHit(name)
        case "pause":
            time.sleep(action.seconds)
