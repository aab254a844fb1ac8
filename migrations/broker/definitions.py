"""RabbitMQ's definitions of a virtual host with a user for each service: passwords as hashes, and permissions."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Final

from migrations.broker.permissions import PERMISSIONS, pattern
from shared.amqp.topology import DEAD_LETTERS_EXCHANGE, REPLIES_EXCHANGE, REQUESTS_EXCHANGE, UPLOADS_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migrations.roles.privileges import Service

DEFAULT_PREFIX: Final = "rollcall"

_EXCHANGES: Final = {
    UPLOADS_EXCHANGE: "direct",
    REQUESTS_EXCHANGE: "direct",
    REPLIES_EXCHANGE: "direct",
    DEAD_LETTERS_EXCHANGE: "topic",
}


def user_of(service: Service, prefix: str = DEFAULT_PREFIX) -> str:
    return f"{prefix}_{service}"


def definitions(vhost: str, passwords: Mapping[Service, str], prefix: str = DEFAULT_PREFIX) -> dict[str, Any]:
    """To be imported (`load_definitions`, `rabbitmqctl import_definitions`); safe to repeat.

    The exchanges are among them, so that no service waits for the one that declares an exchange to be up.
    """
    users = {service: user_of(service, prefix) for service in PERMISSIONS}
    return {
        "users": [
            {
                "name": user,
                "password_hash": password_hash(passwords[service]),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
            for service, user in users.items()
        ],
        "vhosts": [{"name": vhost}],
        "permissions": [
            {
                "user": users[service],
                "vhost": vhost,
                "configure": pattern(allowed.configure),
                "write": pattern(allowed.write),
                "read": pattern(allowed.read),
            }
            for service, allowed in PERMISSIONS.items()
        ],
        "topic_permissions": [
            {
                "user": users[service],
                "vhost": vhost,
                "exchange": DEAD_LETTERS_EXCHANGE,
                "write": pattern(allowed.write_keys),
                "read": pattern(allowed.read_keys),
            }
            for service, allowed in PERMISSIONS.items()
        ],
        "exchanges": [
            {
                "name": name,
                "vhost": vhost,
                "type": kind,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for name, kind in _EXCHANGES.items()
        ],
    }


def password_hash(password: str) -> str:
    """https://www.rabbitmq.com/docs/passwords#computing-password-hash"""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
