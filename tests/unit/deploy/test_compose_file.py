"""What docker-compose.yml promises about exposure and privilege."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from api_service.settings import ApiSettings
from consumer_service.settings import ConsumerSettings
from deploy.checkout import CHECKOUT
from deploy.local.private_servers import LOG_WITHOUT_ROWS
from deploy.up import CONSUMERS
from producer_service.settings import ProducerSettings
from tests.support.documentation import operators_settings
from tests.support.server_kinds import IMAGES

CLUSTER: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "docker-compose.cluster.yml").read_text())["services"]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
OURS = ("migrate", "api_service", "producer_service", "consumer_service")


def test_every_published_port_is_on_loopback_and_the_consumers_is_not_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert "ports" not in SERVICES["consumer_service"]
    assert "container_name" not in SERVICES["consumer_service"]


def test_images_are_those_that_the_tests_run_on_and_of_one_minor_version() -> None:
    tested = IMAGES["containers"]
    assert SERVICES["postgres"]["image"] == tested.postgres
    rabbitmq = re.fullmatch(r"rabbitmq:\$\{RABBITMQ_VERSION:-(\d+\.\d+)\}-management", SERVICES["rabbitmq"]["image"])
    assert rabbitmq is not None
    assert f"rabbitmq:{rabbitmq[1]}-management" == tested.rabbitmq
    assert CLUSTER["rabbitmq-2"]["image"] == SERVICES["rabbitmq"]["image"]


def test_the_log_of_postgres_quotes_no_rows_in_compose_as_in_the_local_mode() -> None:
    command = SERVICES["postgres"]["command"]
    assert {f"-c{name}={value}" for name, value in LOG_WITHOUT_ROWS.items()} <= set(command)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_privilege_and_a_read_only_root(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", ["api_service", "producer_service", "consumer_service"])
def test_each_service_waits_for_the_migrations_and_has_limits_and_a_health_check(name: str) -> None:
    service = SERVICES[name]
    assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"] == "30s"
    # The API's own part, and that of a workbook that it reads.
    assert service["mem_limit"] == ("1g" if name == "api_service" else "256m")
    assert any("/readyz" in word for word in service["healthcheck"]["test"])


@pytest.mark.parametrize(
    ("name", "settings"),
    [("api_service", ApiSettings), ("producer_service", ProducerSettings), ("consumer_service", ConsumerSettings)],
)
def test_every_setting_of_the_operators_reaches_its_service(name: str, settings: type[BaseSettings]) -> None:
    given = SERVICES[name]["environment"]
    assert {variable for variable in given if variable.startswith("ROLLCALL_")} == set(operators_settings(settings))
    for variable, value in given.items():
        # Without a value Compose hands on what is set outside; with one, what is set outside has to come first.
        assert value is None or value.startswith(f"${{{variable}:-"), f"{variable} cannot be set from outside"


def test_number_of_consumers_survives_a_plain_up_and_is_the_one_that_make_brings_up() -> None:
    assert SERVICES["consumer_service"]["deploy"]["replicas"] == f"${{ROLLCALL_CONSUMERS:-{CONSUMERS}}}"


def test_postgres_keeps_every_commit_that_it_has_acknowledged() -> None:
    flags = " ".join(SERVICES["postgres"]["command"])
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert setting not in flags


def test_cluster_has_three_nodes_that_differ_in_name_alone_and_publishes_nothing_more() -> None:
    nodes = [SERVICES["rabbitmq"] | CLUSTER["rabbitmq"], CLUSTER["rabbitmq-2"], CLUSTER["rabbitmq-3"]]
    assert [node["hostname"] for node in nodes] == ["rabbitmq", "rabbitmq-2", "rabbitmq-3"]
    assert len({node["volumes"][0] for node in nodes}) == 3
    same = ("image", "entrypoint", "environment", "healthcheck", "restart", "stop_grace_period", "logging")
    assert all(node[key] == nodes[0][key] for node in nodes for key in same)
    assert not any("ports" in service for service in CLUSTER.values())
    assert nodes[0]["healthcheck"] == SERVICES["rabbitmq"]["healthcheck"]


@pytest.mark.parametrize("name", ["api_service", "producer_service", "consumer_service"])
def test_each_service_waits_for_all_nodes_of_the_cluster_and_is_given_them_all(name: str) -> None:
    service = CLUSTER[name]
    assert set(service["depends_on"]) == {"rabbitmq", "rabbitmq-2", "rabbitmq-3"}
    urls = service["environment"]["ROLLCALL_AMQP_URL"].removesuffix("}").split(",")
    assert [url.rpartition("@")[2] for url in urls] == [
        f"{node}:5672/rollcall" for node in sorted(service["depends_on"])
    ]
