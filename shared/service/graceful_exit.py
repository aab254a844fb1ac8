"""A service that was asked to end, and drained, ends with status 0: as a plain process too, not only in a container."""

from __future__ import annotations

import signal


def end_with_status_0() -> None:
    """The last act of a lifespan, after the drain.

    uvicorn raises the SIGTERM that it has caught once more when it is done, so that a plain process dies of it
    (as a container's first process it cannot). Blocked, that second one stays pending, and the process just ends.
    Does nothing where no server listens for SIGTERM, as in a test that runs the app in its own process.
    """
    if callable(signal.getsignal(signal.SIGTERM)):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
