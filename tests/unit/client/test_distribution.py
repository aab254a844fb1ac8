"""What is installed: one version with the services, no package of theirs, and the two clients from one source."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from shared.version import VERSION
from tests.support.servers import CHECKOUT
from tools.sync_client import ASYNCHRONOUS, SYNCHRONOUS, made

CLIENT = CHECKOUT / "client"
# Nothing that a service needs and its users do not.
SERVERS_ALONE = (
    "aio-pika",
    "alembic",
    "asyncpg",
    "fastapi",
    "obstore",
    "prometheus",
    "pydantic",
    "sqlalchemy",
    "uvicorn",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=CLIENT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_version_is_that_of_the_services() -> None:
    assert tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_lock_of_the_client_has_no_package_of_the_services() -> None:
    locked = (CHECKOUT / "requirements" / "client.txt").read_text().lower()
    assert [name for name in SERVERS_ALONE if f"\n{name}==" in locked] == []
    assert "\nhttpx2==" in locked


@pytest.mark.slow
def test_sync_client_is_made_from_the_asynchronous_one() -> None:
    sources = sorted(ASYNCHRONOUS.glob("*.py"))
    assert [each.name for each in sources] == sorted(each.name for each in SYNCHRONOUS.glob("*.py"))
    # If not: python -m tools.sync_client
    assert [each.name for each in sources if made(each) != (SYNCHRONOUS / each.name).read_text()] == []


@pytest.mark.slow
def test_wheel_brings_one_package_and_finds_the_reader_in_it(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert tops == {"rollcall", f"rollcall_client-{VERSION}.dist-info"}
    # Away from the checkout: what it imports of `shared` would not be found.
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import rollcall, rollcall._sync.client, rollcall._async.client, rollcall._sync.older\n"
        "from rollcall._shared.rows import format_judge, reader_versions\n"
        "assert 'shared' not in sys.modules, 'a package of this name is in the way of others'\n"
        "print(rollcall.__version__)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == (VERSION, 0), done.stderr
