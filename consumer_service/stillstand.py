"""Ends this process when its event loop stands still, because nobody else would.

A row whose handling never lets go (a pattern that backtracks without end, a call that blocks) stops everything in here,
heartbeats and probes too. The broker gives its message to the next consumer, which stands still as well, and a process
that only hangs is started again by nobody. Ended, it is a death like any other: its marker stays, its supervisor starts
it anew, and careful mode finds the row.
"""

from __future__ import annotations

import asyncio
import faulthandler
import sys

SIGNS_OF_LIFE = 10


async def end_when_the_loop_stands_still(seconds: float) -> None:
    """Until cancelled. The end has status 1, and a traceback of places in the code, without a value, before it.

    The timer is a thread of faulthandler's that needs no interpreter lock, so that code which keeps it is caught too.
    """
    try:
        while True:
            faulthandler.dump_traceback_later(seconds, exit=True, file=sys.stderr)
            await asyncio.sleep(seconds / SIGNS_OF_LIFE)
    finally:
        faulthandler.cancel_dump_traceback_later()
