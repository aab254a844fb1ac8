"""A broker user for each service, of a test's own, with the permissions that an operator's has."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

from migrations.broker.definitions import definitions, user_of
from migrations.broker.permissions import PERMISSIONS
from migrations.roles.privileges import Service
from tests.support.servers import Servers, management


@contextlib.asynccontextmanager
async def own_broker_users(servers: Servers, amqp_url: str) -> AsyncIterator[dict[Service, str]]:
    """The URL of each service; the users are the broker's, so they go with the test."""
    prefix = f"t_{secrets.token_hex(6)}"
    passwords = {service: secrets.token_hex(8) for service in PERMISSIONS}
    parts = urlsplit(amqp_url)
    async with management(servers) as api:
        imported = await api.post("/api/definitions", json=definitions(parts.path[1:], passwords, prefix))
        imported.raise_for_status()
        try:
            yield {
                service: urlunsplit(
                    parts._replace(netloc=f"{user_of(service, prefix)}:{password}@{parts.netloc.rpartition('@')[2]}")
                )
                for service, password in passwords.items()
            }
        finally:
            for service in PERMISSIONS:
                (await api.delete(f"/api/users/{user_of(service, prefix)}")).raise_for_status()
