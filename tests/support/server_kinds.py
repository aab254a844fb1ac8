"""The servers that a run can have: containers of the images that Compose names, those of the next generation, or
Debian's own programs."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from deploy import container_engine

VARIABLE: Final = "ROLLCALL_TEST_SERVERS"
PRIVATE: Final = "private"


class Images(NamedTuple):
    postgres: str
    rabbitmq: str


# Those of `containers` are the images of docker-compose.yml.
IMAGES: Final = {
    "containers": Images("postgres:17", "rabbitmq:4.0-management"),
    "next": Images("postgres:18", "rabbitmq:4.3-management"),
}
KINDS: Final = (*IMAGES, PRIVATE)


def chosen_kind() -> str:
    """What the variable says, or what this machine can. Raises `ValueError` for a kind that there is not."""
    chosen = os.environ.get(VARIABLE) or ("containers" if container_engine.engine_answers() else PRIVATE)
    if chosen not in KINDS:
        raise ValueError(f"{VARIABLE} is {chosen!r}, and can be {', '.join(KINDS)}")
    return chosen
