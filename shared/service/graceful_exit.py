"""Lets a service that was asked to end, and has drained, end with status 0, as a plain process too."""

from __future__ import annotations

import signal


def end_with_status_0() -> None:
    """The last act of a lifespan, after the drain.

    When uvicorn is done it raises the SIGTERM that it has caught once more, and a plain process dies of it; the first
    process of a container does not. Once the signal is blocked here, the second one stays pending, and the process just
    ends. Nothing happens where no server listens for SIGTERM, as in a test that runs the app in its own process.
    """
    if callable(signal.getsignal(signal.SIGTERM)):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
