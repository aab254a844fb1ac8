"""`make up`: bring the system up, one way or the other, and return when all of it is healthy."""

from __future__ import annotations

import argparse
import os
import sys

from deploy import authentication, compose_mode, container_engine
from deploy.checkout import ENDPOINTS, Endpoints, alone
from deploy.local import local_mode

CONSUMERS = 2


def bring_up(mode: str, consumers: int | None, auth: str | None = None) -> Endpoints:
    """`mode` is compose, local or auto: what runs already, else Compose where an engine answers.

    `auth` is on or off; None leaves it as it was, so that nobody opens a system by having forgotten to say it.
    """
    if consumers is not None and consumers < 1:
        sys.exit(f"CONSUMERS is {consumers}, and must be 1 or more.")
    with alone():
        authentication.choose(auth)
        return _bring_up(mode, consumers)


def _bring_up(mode: str, consumers: int | None) -> Endpoints:
    if mode == "auto":
        mode = "compose" if _compose_is_possible() and not local_mode.is_running() else "local"
    elif mode == "compose" and not _compose_is_possible():
        sys.exit("MODE=compose needs a Docker engine that answers (`docker info`) and Compose v2 (`docker compose`).")
    if mode == "compose":
        return compose_mode.up(consumers)
    return local_mode.up(consumers or int(os.environ.get("ROLLCALL_CONSUMERS") or CONSUMERS))


def parse_arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--mode", choices=["auto", "compose", "local"], default="auto")
    parser.add_argument(
        "--consumers", type=int, help=f"as many consumers (default: ROLLCALL_CONSUMERS, or {CONSUMERS})"
    )
    parser.add_argument(
        "--auth", choices=["on", "off"], help="whether everybody needs a key (default: as before, at first off)"
    )
    return parser.parse_args()


def _compose_is_possible() -> bool:
    return container_engine.engine_answers() and container_engine.has_compose()


def main() -> None:
    arguments = parse_arguments("Bring the system up.")
    endpoints = bring_up(arguments.mode, arguments.consumers, arguments.auth)
    print(f"Rollcall is up ({endpoints.mode} mode)")
    print(f"  API         {endpoints.api_url}   (documentation: {endpoints.api_url}/docs)")
    print(f"  producer    {endpoints.producer_url}")
    print(f"  RabbitMQ    {endpoints.management_url}   (user and password: {os.path.relpath(ENDPOINTS)})")
    print(authentication.said_of(endpoints))


if __name__ == "__main__":
    main()
