"""Pushes go to the internet and to what the operator names, however an address is written, and nowhere else."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from api_service.lease_queues.push.addresses import PushAddresses, PushRefused, PushUrl, is_public

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.8.9.10",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::10.1.2.3",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "93.184.215.14",
    "100.63.255.255",
    "172.32.0.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]

# As programs let one write 127.0.0.1, 169.254.169.254 and the like.
OTHER_SPELLINGS = [
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "0",
    "2852039166",
    "0xa9fea9fe",
    "169.16689662",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
]


@pytest.fixture
async def internet() -> AsyncIterator[PushAddresses]:
    addresses = PushAddresses(())
    yield addresses
    addresses.close()


@pytest.fixture
async def loopback_too() -> AsyncIterator[PushAddresses]:
    addresses = PushAddresses((ip_network("127.0.0.0/8"),))
    yield addresses
    addresses.close()


def answering(*addresses: str) -> Callable[..., list[Any]]:
    """A resolver that says so of every name."""

    def look_up(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return look_up


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_of_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_push_to_an_address_that_is_not_public_is_refused(address: str, internet: PushAddresses) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(PushRefused, match="not public"):
        await internet.of(PushUrl.parse(f"https://{host}/hook"))


@pytest.mark.parametrize("host", OTHER_SPELLINGS)
async def test_other_spellings_of_an_address_change_nothing(host: str, internet: PushAddresses) -> None:
    with pytest.raises(PushRefused, match="not public"):
        await internet.of(PushUrl.parse(f"https://{host}/hook"))


@pytest.mark.parametrize("address", ["10.1.2.3", "169.254.169.254", "::1", "::ffff:192.168.0.1", "fd00::1"])
async def test_name_of_an_address_that_is_not_public_is_refused(
    address: str, internet: PushAddresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering(address))
    with pytest.raises(PushRefused, match="not public"):
        await internet.of(PushUrl.parse("https://innocent.example/hook"))


async def test_name_with_one_address_that_is_not_public_is_refused(
    internet: PushAddresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering("93.184.215.14", "10.0.0.1"))
    with pytest.raises(PushRefused, match="not public"):
        await internet.of(PushUrl.parse("https://innocent.example/hook"))


async def test_public_name_is_given_with_its_addresses_for_https_alone(
    internet: PushAddresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering("93.184.215.14", "1.1.1.1", "1.1.1.1"))
    assert await internet.of(PushUrl.parse("https://innocent.example/hook")) == ["93.184.215.14", "1.1.1.1"]
    with pytest.raises(PushRefused, match="https"):
        await internet.of(PushUrl.parse("http://innocent.example/hook"))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433"])
async def test_network_that_is_allowed_is_pushed_to_and_no_other(host: str, loopback_too: PushAddresses) -> None:
    for scheme in ("http", "https"):
        assert len(await loopback_too.of(PushUrl.parse(f"{scheme}://{host}:8000/"))) == 1
    for other in ("10.0.0.1", "169.254.169.254", "[::1]"):
        with pytest.raises(PushRefused, match="not public"):
            await loopback_too.of(PushUrl.parse(f"http://{other}/"))


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "nobody.invalid"])
async def test_name_that_nobody_has_is_an_unknown_host(host: str, internet: PushAddresses) -> None:
    with pytest.raises(socket.gaierror):
        await internet.of(PushUrl.parse(f"https://{host}/"))


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "authority"),
    [
        ("https://a.example", "a.example", 443, "/", "a.example"),
        ("https://A.example:443/x?y=1&z", "a.example", 443, "/x?y=1&z", "a.example"),
        ("http://a.example:8080?q", "a.example", 8080, "/?q", "a.example:8080"),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443, "/", "[2606:4700::1111]:8443"),
    ],
)
def test_url_is_taken_apart_once(text: str, host: str, port: int, target: str, authority: str) -> None:
    url = PushUrl.parse(text)
    assert (url.host, url.port, url.target, url.authority) == (host, port, target, authority)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.example/hook",
        "ftp://a.example/",
        "file:///etc/passwd",
        "//a.example/",
        "https://",
        "https:///hook",
        "https://user:password@a.example/",
        "https://a.example@10.0.0.1/",
        "https://a.example/#part",
        "https://a.example:port/",
        "https://a.example:70000/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://a.example\\@10.0.0.1/",
        "https://a.example/\r\nx: y",
        "https://a.example/ x",
        "https://größe.example/",
        "https://-a.example/",
        "https://a.example/" + "x" * 2000,
    ],
)
def test_what_is_no_url_to_push_to_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="URL") as refusal:
        PushUrl.parse(text)
    assert text == "" or text not in str(refusal.value)
