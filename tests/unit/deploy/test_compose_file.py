"""What docker-compose.yml promises about exposure and privilege."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from deploy.checkout import CHECKOUT

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
OURS = ("migrate", "api_service", "producer_service", "consumer_service")


def test_every_published_port_is_on_loopback_and_the_consumers_is_not_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert "ports" not in SERVICES["consumer_service"]
    assert "container_name" not in SERVICES["consumer_service"]


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
    assert service["mem_limit"] == "256m"
    assert "/readyz" in service["healthcheck"]["test"][-1]


def test_postgres_keeps_every_commit_that_it_has_acknowledged() -> None:
    flags = " ".join(SERVICES["postgres"]["command"])
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert setting not in flags
