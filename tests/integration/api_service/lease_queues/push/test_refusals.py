"""Pushes reach nothing that they must not, and nobody is told the secret that they are signed with."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from api_service.settings import ApiSettings
from migrations.network.certificates import issue
from tests.support.api import running_api
from tests.support.push_receiver import SECRET, Receiver, push_receiver, status
from tests.support.queues import assert_problem, counts, send
from tests.support.waiting import eventually

INNOCENT = "innocent.example"


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What is in it is what is said of these names."""
    said: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host not in said:
            return real(host, port, *more, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in said[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return said


async def put(api: httpx2.AsyncClient, url: str, secret: str = SECRET) -> httpx2.Response:
    (await api.put("/v1/queues/q", json={})).raise_for_status()
    return await api.put("/v1/queues/q/subscription", json={"url": url, "secret": secret})


async def has_failed(api: httpx2.AsyncClient, error: str) -> bool:
    found = (await api.get("/v1/queues/q/subscription")).json()
    return bool(found["failed"] and found["lastError"] == error)


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://2852039166/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://0.0.0.0/",
        "http://1.1.1.1/",
        "ftp://1.1.1.1/",
        "https://user@1.1.1.1/",
        "nonsense",
        "",
    ],
)
async def test_url_that_is_not_pushed_to_is_refused_when_it_is_set(url: str, api: httpx2.AsyncClient) -> None:
    answer = await put(api, url)
    assert_problem(answer, 422, "invalid_request")
    assert not url or url not in answer.text
    assert (await api.get("/v1/queues/q/subscription")).status_code == 404


@pytest.mark.parametrize("secret", ["", "whsec_short", "not-a-secret-not-a-secret-not-a-secret-00", SECRET + "\n"])
async def test_secret_that_is_none_is_refused_and_not_quoted(secret: str, api: httpx2.AsyncClient) -> None:
    answer = await put(api, "https://mailer.invalid/", secret)
    assert_problem(answer, 422, "invalid_request")
    assert not secret or secret.strip() not in answer.text


@pytest.mark.parametrize("body", [{}, {"url": "https://a.invalid/"}, {"secret": SECRET}, {"url": 1, "secret": SECRET}])
async def test_half_of_a_subscription_is_refused(body: Any, api: httpx2.AsyncClient) -> None:
    (await api.put("/v1/queues/q", json={})).raise_for_status()
    assert_problem(await api.put("/v1/queues/q/subscription", json=body), 422, "invalid_request")
    more = {"url": "https://a.invalid/", "secret": SECRET, "colour": "red"}
    assert_problem(await api.put("/v1/queues/q/subscription", json=more), 422, "invalid_request")


async def test_name_that_means_another_address_later_is_not_connected_to(
    settings: ApiSettings, receiver: Receiver, resolver: dict[str, list[str]]
) -> None:
    port = receiver.url.split(":")[2].partition("/")[0]
    async with running_api(settings.model_copy(update={"push_networks": ""})) as api:
        resolver[INNOCENT] = ["93.184.215.14"]
        assert (await put(api, f"https://{INNOCENT}:{port}/")).status_code == 200
        resolver[INNOCENT] = ["127.0.0.1"]
        assert_problem(await put(api, f"https://{INNOCENT}:{port}/"), 422, "invalid_request")
        await send(api, "q", "x")
        error = "its address is not public, and in none of the networks that are allowed"
        await eventually(lambda: has_failed(api, error))
        assert await counts(api, "q") == {"inFlight": 1}
    assert receiver.pushes == []
    assert receiver.most_in_hand == 0


async def test_name_is_looked_up_once_and_what_was_looked_at_is_connected_to(
    api: httpx2.AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host != INNOCENT:
            return real(host, port, *more, **named)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert (await put(api, receiver.url.replace("127.0.0.1", INNOCENT))).status_code == 200
    asked.clear()
    await send(api, "q", "x")
    await eventually(lambda: len(receiver.pushes) == 1)
    assert asked == [INNOCENT]
    assert receiver.pushes[0].headers["host"].startswith(f"{INNOCENT}:")


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """Of an endpoint at 127.0.0.1, and the authority that vouches for it."""
    issued = issue({"endpoint": ["127.0.0.1"]})
    own = issued.certificates["endpoint"]
    (tmp_path / "ca.pem").write_text(issued.authority)
    (tmp_path / "own.pem").write_text(own.certificate)
    (tmp_path / "own.key").write_text(own.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "own.pem", tmp_path / "own.key")
    return context, tmp_path / "ca.pem"


async def test_endpoint_without_a_certificate_that_is_trusted_gets_nothing(
    api: httpx2.AsyncClient, tls: tuple[ssl.SSLContext, Path]
) -> None:
    async with push_receiver(tls[0]) as receiver:
        assert (await put(api, receiver.url)).status_code == 200
        await send(api, "q", "x")
        await eventually(lambda: has_failed(api, "its TLS certificate is not trusted"))
        assert receiver.pushes == []


async def test_certificate_counts_for_its_own_name_alone(
    settings: ApiSettings,
    tls: tuple[ssl.SSLContext, Path],
    resolver: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context, authority = tls
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(authority))
    resolver[INNOCENT] = ["127.0.0.1"]
    async with running_api(settings) as api, push_receiver(context) as receiver:
        assert (await put(api, receiver.url.replace("127.0.0.1", INNOCENT))).status_code == 200
        await send(api, "q", "x")
        await eventually(lambda: has_failed(api, "its TLS certificate is not trusted"))
        assert receiver.pushes == []
        assert (await put(api, receiver.url)).status_code == 200
        await send(api, "q", "y")
        await eventually(lambda: "y" in receiver.payloads())


async def test_endpoint_that_speaks_no_tls_is_told(settings: ApiSettings, receiver: Receiver) -> None:
    # It waits for more of what is no request, until nobody waits for it any more.
    async with running_api(settings.model_copy(update={"push_timeout_seconds": 1})) as api:
        assert (await put(api, receiver.url.replace("http:", "https:"))).status_code == 200
        await send(api, "q", "x")

        async def has_an_error() -> bool:
            return bool((await api.get("/v1/queues/q/subscription")).json()["lastError"])

        await eventually(has_an_error)
        assert receiver.pushes == []


async def test_secret_is_in_no_answer_no_log_and_no_audit(
    api: httpx2.AsyncClient,
    receiver: Receiver,
    database: asyncpg.Connection,
    capfd: pytest.CaptureFixture[str],
) -> None:
    receiver.answers = [status(500), status(200)]
    answers = [await put(api, receiver.url), await put(api, "https://10.0.0.1/")]
    await send(api, "q", "x")
    await eventually(lambda: len(receiver.pushes) == 2)
    answers.append(await api.get("/v1/queues/q/subscription"))
    answers += [await api.get(path) for path in ("/v1/queues/q", "/v1/queues", "/queues/q", "/metrics", "/v1/audit")]
    audit = [str(dict(row)) for row in await database.fetch("SELECT * FROM audit_entries")]
    assert sum("queue.subscribe" in entry for entry in audit) == 2
    assert await database.fetchval("SELECT secret FROM queue_subscriptions") == SECRET
    output = capfd.readouterr()
    told = [*(answer.text for answer in answers), *audit, output.out, output.err]
    assert [text for text in told if SECRET.removeprefix("whsec_") in text] == []
