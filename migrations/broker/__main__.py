"""Prints RabbitMQ's definitions of a user for each service, with only the permissions that it needs.

`python -m migrations.broker VHOST > rollcall.json`, then `rabbitmqctl import_definitions rollcall.json`; it takes
nothing away from users who are there. The passwords that rollcall_api, rollcall_producer and rollcall_consumer are to
have stand in ROLLCALL_API_AMQP_PASSWORD and so on, or in files that variables with _FILE at their end name. Only hashes
of them are printed. Each service then needs ROLLCALL_AMQP_DECLARES=own.
"""

from __future__ import annotations

import json
import sys

from migrations.broker.definitions import definitions
from migrations.broker.permissions import PERMISSIONS
from migrations.given_passwords import given_passwords


def main(arguments: list[str]) -> str | None:
    """What went wrong, as a sentence; None when all is well."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        return __doc__
    try:
        passwords = given_passwords(tuple(PERMISSIONS), "ROLLCALL_{}_AMQP_PASSWORD")
    except ValueError as error:
        return str(error)
    sys.stdout.write(json.dumps(definitions(arguments[0], passwords), indent=2) + "\n")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
