"""Fixtures for all tests: real servers, started by the first test that asks, and something of its own for each test."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import servers as test_servers
from tests.support.servers import Servers

# As in docker-compose.yml; the tests of keys turn it on by name.
os.environ["ROLLCALL_AUTHENTICATION"] = "off"

pytest_plugins = ["tests.support.fault_plugin"]


@pytest.fixture(scope="session")
def servers() -> Servers:
    """One Postgres and one RabbitMQ, shared by all workers of the run."""
    return test_servers.obtain()


@pytest.fixture
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """A database of the test's own with every migration applied."""
    url = await test_servers.create_database(servers, test_servers.migrated_template(servers))
    yield url
    await test_servers.drop_database(servers, url)


@pytest.fixture
async def empty_database_url(servers: Servers) -> AsyncIterator[str]:
    """A database of the test's own without any table."""
    url = await test_servers.create_database(servers)
    yield url
    await test_servers.drop_database(servers, url)


@pytest.fixture
async def amqp_url(servers: Servers) -> AsyncIterator[str]:
    """A virtual host of the test's own."""
    url = await test_servers.create_vhost(servers)
    yield url
    await test_servers.delete_vhost(servers, url)


@pytest.fixture
def upload_store_url(tmp_path: Path) -> str:
    """A folder of the test's own as an upload store."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder.as_uri()


def pytest_sessionstart() -> None:
    """What is imported stays, so that to walk over it for garbage again and again finds none."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on the collector walks over what the tests themselves make."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)  # when those that were not asked for are gone
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin first, so that the others run beside them, and behind each stands one that is not long: a worker
    of xdist is given two tests in a row, and would run two long ones one after the other.
    """
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    pairs = [item for pair in zip(long, others, strict=False) for item in pair]
    items[:] = [*pairs, *long[len(others) :], *others[len(long) :]]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Packed bytes say when they were packed, and the workers of a run have to call a test by the same name."""
    return argname if isinstance(val, bytes) and not (val.isascii() and val.decode("ascii").isprintable()) else None
