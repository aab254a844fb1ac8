"""A private Postgres and a private RabbitMQ from Debian's programs, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.local import debian_packages, private_servers
from deploy.program import free_port, start
from tests.support.servers import Servers


@contextmanager
def private_pair(folder: Path, postgres_settings: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """As durable as `make up` has them, unless the settings say otherwise. Raises `debian_packages.ServersMissing`."""
    debian_packages.ensure_installed()
    postgres = private_servers.prepare_postgres(folder / "postgres", free_port(), postgres_settings)
    rabbitmq = private_servers.prepare_rabbitmq(folder / "rabbitmq", private_servers.free_rabbitmq_ports())
    with ExitStack() as stack:
        stack.callback(private_servers.remove, folder / "postgres")
        stack.callback(private_servers.remove, folder / "rabbitmq")
        running = [start(each, folder / f"{each.name}.log") for each in (postgres.program, *rabbitmq.programs)]
        for each in running:
            stack.callback(each.stop)
        for each in running:
            each.wait_until_ready()
        yield Servers(
            kind="private",
            postgres_url=postgres.url("postgres"),
            amqp_url=rabbitmq.amqp_url.rpartition("/")[0] + "/",
            management_url=rabbitmq.management_url,
            management_user=private_servers.USER,
            management_password=rabbitmq.password,
        )
