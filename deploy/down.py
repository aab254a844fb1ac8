"""`make down` (the data stays) and `make clean` (it does not: --drop-data), whichever way the system runs."""

from __future__ import annotations

import sys

from deploy import compose_mode, container_engine
from deploy.checkout import alone
from deploy.local import local_mode


def take_down(*, drop_data: bool) -> None:
    has_compose = container_engine.engine_answers() and container_engine.has_compose()
    if has_compose and (drop_data or compose_mode.is_running()):
        compose_mode.down(drop_data=drop_data)
    if drop_data:
        local_mode.clean()
    else:
        local_mode.down()


def main() -> None:
    with alone():
        take_down(drop_data="--drop-data" in sys.argv[1:])


if __name__ == "__main__":
    main()
