"""Without authentication a service is for its own machine alone."""

from __future__ import annotations

import pytest

from shared.access.loopback import OpenToOthers, came_in_on_loopback, is_loopback, require_loopback


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ([], {}),
        (["uvicorn", "x:y", "--host", "127.0.0.1"], {}),
        (["uvicorn", "x:y", "--host=localhost"], {"UVICORN_HOST": "0.0.0.0"}),
        (["uvicorn", "--host", "0.0.0.0", "--host", "::1"], {}),
        (["uvicorn", "--host", "127.8.8.8"], {}),
    ],
)
def test_loopback_is_no_risk(arguments: list[str], environment: dict[str, str]) -> None:
    require_loopback(arguments, environment)


@pytest.mark.parametrize(
    ("arguments", "environment", "host"),
    [
        (["uvicorn", "x:y", "--host", "0.0.0.0"], {}, "0.0.0.0"),
        (["uvicorn", "--host=::"], {}, "::"),
        (["uvicorn", "--host", "127.0.0.1", "--host", "10.0.0.1"], {}, "10.0.0.1"),
        (["uvicorn", "--host", "rollcall.example"], {}, "rollcall.example"),
        ([], {"UVICORN_HOST": "0.0.0.0"}, "0.0.0.0"),
    ],
)
def test_every_other_address_is_refused_with_what_to_do(
    arguments: list[str], environment: dict[str, str], host: str
) -> None:
    with pytest.raises(OpenToOthers, match="ROLLCALL_AUTHENTICATION=on") as refusal:
        require_loopback(arguments, environment)
    assert f"listen on {host}," in str(refusal.value)


@pytest.mark.parametrize("server", [("127.0.0.1", 8000), ("::1", 8), ("::ffff:127.0.0.1", 80), ("/run/x", None), None])
def test_a_request_from_this_machine_is_known(server: tuple[str, int | None] | None) -> None:
    assert came_in_on_loopback({"server": server})


@pytest.mark.parametrize("host", ["10.0.0.5", "0.0.0.0", "::", "fe80::1", "172.17.0.2", "localhost.example", ""])
def test_a_request_on_another_address_is_none(host: str) -> None:
    assert not came_in_on_loopback({"server": (host, 8000)})
    assert not is_loopback(host)
