"""What each service may do at RabbitMQ: what its part in the topology needs, and nothing else.

Each declares what it takes messages from (`ROLLCALL_AMQP_DECLARES=own`). To bind a queue one has to write to it and to
read from the exchange; a queue that dead-letters needs write on the exchange of the dead letters. Nobody may write to
the default exchange, by which any queue can be reached. At a topic exchange the keys count too.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from migrations.roles.privileges import Service
from shared.amqp.topology import (
    BULK_REQUESTS_QUEUE,
    CHUNK_KEY,
    DEAD_CHUNKS_QUEUE,
    DEAD_LETTERS_EXCHANGE,
    DEAD_LETTERS_QUEUE,
    MALFORMED_KEY,
    REPLIES_EXCHANGE,
    REQUESTS_EXCHANGE,
    REQUESTS_QUEUE,
    ROW_KEY,
    UPLOADS_EXCHANGE,
    UPLOADS_QUEUE,
)


class Permissions(NamedTuple):
    """Names of exchanges and queues; one that ends with a dot stands for all that begin so."""

    configure: tuple[str, ...]
    write: tuple[str, ...]
    read: tuple[str, ...]
    # Keys at the exchange of the dead letters.
    write_keys: tuple[str, ...]
    read_keys: tuple[str, ...]


_CALLBACKS: Final = "callback."
_ACQUAINTANCES: Final = "dead-letters.of."

PERMISSIONS: Final[dict[Service, Permissions]] = {
    "api": Permissions(
        configure=(DEAD_LETTERS_EXCHANGE, DEAD_LETTERS_QUEUE, _ACQUAINTANCES),
        write=(UPLOADS_EXCHANGE, REQUESTS_EXCHANGE, DEAD_LETTERS_EXCHANGE, DEAD_LETTERS_QUEUE),
        read=(DEAD_LETTERS_EXCHANGE, DEAD_LETTERS_QUEUE, _ACQUAINTANCES),
        write_keys=(ROW_KEY, MALFORMED_KEY),
        read_keys=(ROW_KEY, MALFORMED_KEY),
    ),
    "producer": Permissions(
        configure=(UPLOADS_EXCHANGE, UPLOADS_QUEUE, REPLIES_EXCHANGE, DEAD_CHUNKS_QUEUE, _CALLBACKS),
        write=(REQUESTS_EXCHANGE, DEAD_LETTERS_EXCHANGE, UPLOADS_QUEUE, DEAD_CHUNKS_QUEUE, _CALLBACKS),
        read=(
            UPLOADS_EXCHANGE,
            UPLOADS_QUEUE,
            REPLIES_EXCHANGE,
            DEAD_LETTERS_EXCHANGE,
            DEAD_CHUNKS_QUEUE,
            _CALLBACKS,
        ),
        write_keys=(MALFORMED_KEY, CHUNK_KEY),
        read_keys=(CHUNK_KEY,),
    ),
    "consumer": Permissions(
        configure=(REQUESTS_EXCHANGE, REQUESTS_QUEUE, BULK_REQUESTS_QUEUE),
        write=(REQUESTS_EXCHANGE, REPLIES_EXCHANGE, DEAD_LETTERS_EXCHANGE, REQUESTS_QUEUE, BULK_REQUESTS_QUEUE),
        read=(REQUESTS_EXCHANGE, REQUESTS_QUEUE, BULK_REQUESTS_QUEUE),
        write_keys=(ROW_KEY, MALFORMED_KEY),
        read_keys=(),
    ),
}


def pattern(names: tuple[str, ...]) -> str:
    """For RabbitMQ, which looks for a pattern anywhere in a name. No name at all is `^$`."""
    each = (re.escape(name) + (".+" if name.endswith(".") else "") for name in names)
    return "^({})$".format("|".join(each).replace(r"\-", "-")) if names else "^$"
