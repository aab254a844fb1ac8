"""How the command ends, for scripts."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The number that a script sees. `REJECTS` is no failure: all else is in."""

    DONE = 0
    FAILED = 1
    REJECTS = 2
    REFUSED = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


class Ended(Exception):
    """The command is over, with this number; what there was to say was said."""

    def __init__(self, code: Exit) -> None:
        super().__init__(code)
        self.code = code


def worst(codes: list[Exit]) -> Exit:
    order = (Exit.DONE, Exit.REJECTS, Exit.REFUSED, Exit.FAILED, Exit.UNREACHABLE)
    return max(codes, key=order.index, default=Exit.DONE)
