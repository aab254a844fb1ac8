"""What docker-compose.network.yml promises about exposure, secrets and privilege, without an engine."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import yaml

from deploy.checkout import CHECKOUT
from migrations.network.secret_folders import MOUNTED_AT, OWNERS
from shared.service.secret_files import FILE_SUFFIX


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads Compose's own tags as what stands behind them."""


for _tag in ("!override", "!reset"):
    _Loader.add_constructor(
        _tag,
        lambda loader, node: (
            loader.construct_mapping(node)
            if isinstance(node, yaml.MappingNode)
            else loader.construct_sequence(node)
            if isinstance(node, yaml.SequenceNode)
            else loader.construct_scalar(node)
        ),
    )

TEXT: Final = (CHECKOUT / "docker-compose.network.yml").read_text()
FILE: Final[dict[str, Any]] = yaml.load(TEXT, _Loader)
SERVICES: Final[dict[str, dict[str, Any]]] = FILE["services"]
BASE: Final[dict[str, dict[str, Any]]] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
SECRETS_OF: Final = {
    "migrate": "owner",
    **{f"{name}_service": name for name in ("api", "producer", "consumer")},
    "postgres": "postgres",
    "rabbitmq": "rabbitmq",
}


def test_the_api_alone_publishes_a_port_and_is_on_the_network_that_leads_out() -> None:
    assert set(SERVICES) == {*BASE, "secrets"}
    published = {name for name, service in BASE.items() if "ports" in service}
    for name in published - {"api_service"}:
        assert SERVICES[name]["ports"] == []
    assert [name for name, service in SERVICES.items() if "world" in service.get("networks", [])] == ["api_service"]
    assert FILE["networks"]["inside"] == {"internal": True}
    for name in SECRETS_OF:
        assert "inside" in SERVICES[name]["networks"]
    assert SERVICES["secrets"]["network_mode"] == "none"


@pytest.mark.parametrize(("name", "owner"), SECRETS_OF.items())
def test_each_service_is_given_its_own_secrets_read_only_and_only_names_of_files(name: str, owner: str) -> None:
    volumes = [volume for volume in SERVICES[name]["volumes"] if "_secrets:" in volume]
    assert volumes == [f"{owner}_secrets:{MOUNTED_AT}:ro"]
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|_URL|_KEY", variable) and not variable.endswith((FILE_SUFFIX, "KEYFILE")):
            assert value == "", f"{name}: {variable} is in the environment"


def test_the_secrets_are_made_for_every_folder_and_by_nobody_else() -> None:
    written = {
        volume.split(":")[1].rpartition("/")[2] for volume in SERVICES["secrets"]["volumes"] if "_secrets" in volume
    }
    assert written == set(OWNERS)
    assert {volume.removesuffix("_secrets") for volume in FILE["volumes"]} == set(OWNERS)


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_more_rights_than_it_needs(name: str) -> None:
    service = BASE.get(name, {}) | SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    allowed = (
        {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
        if name in ("postgres", "rabbitmq", "secrets")
        else set()
    )
    assert set(service.get("cap_add", [])) <= allowed


def test_keys_are_on_whatever_the_environment_says() -> None:
    for name in ("api_service", "producer_service"):
        assert SERVICES[name]["environment"]["ROLLCALL_AUTHENTICATION"] == "on"
        assert SERVICES[name]["environment"]["ROLLCALL_PUBLISHED_ON_LOOPBACK"] == "false"
    assert "change-me" not in TEXT
    assert "rollcall:rollcall@" not in TEXT
