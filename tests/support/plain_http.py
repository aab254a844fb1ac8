"""A client for addresses without TLS, of which a test opens several."""

from __future__ import annotations

import ssl
from typing import Any, Final

import httpx2

from tests.support.patience import patience

# A client of its own accord reads every certificate authority of the machine, which takes longer than most tests.
_NO_AUTHORITIES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# uvicorn and RabbitMQ's management close a connection that was idle for five seconds, and a request that is sent right
# then goes into nothing.
_LIMITS: Final = httpx2.Limits(keepalive_expiry=2)


def plain_client(base_url: str = "", **options: Any) -> httpx2.AsyncClient:
    # Of its own accord a client waits for five seconds, which a busy machine takes for an answer now and then.
    options.setdefault("timeout", 30 * patience())
    return httpx2.AsyncClient(base_url=base_url, verify=_NO_AUTHORITIES, limits=_LIMITS, **options)
